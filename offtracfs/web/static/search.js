// Search as you type: the same page is asked for, and its results take the place of those shown.
"use strict";
{
  const PAUSE = 120; // milliseconds without a key
  const form = document.querySelector("form.search");
  const words = form.elements.q;
  let timer, asked;

  // While a word is being written, it stands for all words that begin so.
  const unfinished = (text) => text.replace(/[\p{L}\p{N}_]{2}$/u, "$&*");

  const address = (text) => {
    const fields = new FormData(form);
    fields.set("q", text);
    const pairs = [...fields].filter(([, value]) => value);
    return `${form.action}?${new URLSearchParams(pairs)}`;
  };

  const show = async () => {
    asked?.abort();
    asked = new AbortController();
    const text = words.value.trim();
    if (text.startsWith("#")) return; // Enter leads to the ticket
    try {
      const answer = await fetch(address(unfinished(text)), { signal: asked.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const results = page.getElementById("results");
      if (!results) return;
      document.getElementById("results").replaceChildren(...results.childNodes);
      history.replaceState(null, "", address(text));
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  };

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE);
  });
}
