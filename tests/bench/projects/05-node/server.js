const express = require("express");

const app = express();
let reversed = 0;
app.use(express.json());
app.get(["/healthz", "/readyz"], (_request, response) => response.json({ ok: true }));
app.get("/metrics", (_request, response) => {
  response.type("text/plain; version=0.0.4").send(`# TYPE reversed_total counter\nreversed_total ${reversed}\n`);
});
app.post("/reverse", (request, response) => {
  const { text } = request.body ?? {};
  if (typeof text !== "string") return response.status(422).json({ error: "text is missing" });
  reversed += 1;
  return response.json({ text: [...text].reverse().join("") });
});
app.use((error, _request, response, _next) => response.status(400).json({ error: error.message }));

const server = app.listen(Number(process.env.PORT), "0.0.0.0");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
