/* Follows a run. The server says which fragments changed; htmx fetches them. Without this file: the Refresh link. */
(() => {
  "use strict";
  const page = document.getElementById("run-live");
  if (!page || !window.EventSource || !window.htmx) return;
  const refetch = new Set();
  let busy = false;

  // Fetch one after the other, so that a burst of events costs few requests.
  const work = async () => {
    if (busy) return;
    busy = true;
    while (refetch.size) {
      const names = [...refetch];
      refetch.clear();
      for (const name of names) {
        const at = document.querySelector("#log .log__body");
        const follows = !at || at.scrollHeight - at.scrollTop - at.clientHeight < 40;
        const place = at ? at.scrollTop : 0;
        await window.htmx.ajax("GET", page.dataset.page + "?fragment=" + name, { target: "#" + name, swap: "outerHTML" });
        const now = document.querySelector("#log .log__body");
        if (name === "log" && now) now.scrollTop = follows ? now.scrollHeight : place;
      }
      await new Promise((done) => setTimeout(done, 400));
    }
    busy = false;
  };

  // The tab says where the run is; a notification comes only to whoever asked for it in this browser.
  document.addEventListener("htmx:afterSwap", () => {
    const status = document.getElementById("status");
    if (status && status.dataset.title) document.title = status.dataset.title + " · Seatrial";
  });
  const CHOICE = "seatrial-notify";
  const button = document.getElementById("notify");
  const wanted = () => localStorage.getItem(CHOICE) === "1" && Notification.permission === "granted";
  if (button && "Notification" in window) {
    const show = () => { button.setAttribute("aria-pressed", String(wanted())); };
    button.hidden = false;
    show();
    button.addEventListener("click", async () => {
      const on = !wanted() && (await Notification.requestPermission()) === "granted";
      localStorage.setItem(CHOICE, on ? "1" : "0");
      show();
    });
  }
  const tell = async () => {
    if (!("Notification" in window) || !wanted() || !document.hidden) return;
    const answer = await fetch(page.dataset.page, { redirect: "manual" }).catch(() => null);
    const text = answer && answer.ok ? await answer.text() : "";
    const title = new DOMParser().parseFromString(text, "text/html").title || document.title;
    new Notification(title, { tag: page.dataset.page });
  };

  const source = new EventSource(page.dataset.events + "?after=" + page.dataset.after);
  source.addEventListener("progress", (event) => {
    for (const name of JSON.parse(event.data).fragments) refetch.add(name);
    work();
  });
  source.addEventListener("finished", () => {
    source.close();
    tell().finally(() => window.location.reload());
  });
  // A closed stream (not a lost one, which the browser opens again by itself) means that we were signed out, that too
  // many pages follow runs, or that the site is being replaced. The page then looks by itself until it is over.
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED || page.dataset.polls) return;
    page.dataset.polls = "1";
    setInterval(async () => {
      const answer = await fetch(page.dataset.page + "?fragment=status", { redirect: "manual" }).catch(() => null);
      if (!answer) return;
      if (!answer.ok || answer.headers.get("X-Run-Over")) {
        window.location.reload();
        return;
      }
      for (const name of ["status", "phases", "checks", "log"]) refetch.add(name);
      work();
    }, 5000);
  });

  // The clock runs on between two events.
  setInterval(() => {
    const clock = document.querySelector("#status time[data-seconds]");
    if (!clock) return;
    const seconds = Number(clock.dataset.seconds) + 1;
    clock.dataset.seconds = String(seconds);
    clock.textContent = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
    const bar = document.querySelector("#status progress");
    if (bar) bar.value = Math.min(seconds, bar.max);
  }, 1000);
})();
