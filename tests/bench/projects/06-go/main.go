// Reverses a text.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
)

var reversed atomic.Int64

func main() {
	alive := func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, map[string]any{"ok": true}) }
	http.HandleFunc("/healthz", alive)
	http.HandleFunc("/readyz", alive)
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "# TYPE reversed_total counter\nreversed_total %d\n", reversed.Load())
	})
	http.HandleFunc("/reverse", reverse)
	if err := http.ListenAndServe("0.0.0.0:"+os.Getenv("PORT"), nil); err != nil {
		panic(err)
	}
}

func reverse(w http.ResponseWriter, r *http.Request) {
	var body struct{ Text *string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Text == nil {
		answer(w, 422, map[string]any{"error": "text is missing"})
		return
	}
	runes := []rune(*body.Text)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	reversed.Add(1)
	answer(w, 200, map[string]any{"text": string(runes)})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
