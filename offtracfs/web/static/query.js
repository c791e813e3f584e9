// The query's form without its small buttons: what is chosen is added at once, what is emptied is not sent.
"use strict";
{
  const form = document.querySelector("form.query");
  form.classList.add("scripted");

  form.addEventListener("change", (event) => {
    if (event.target.name.startsWith("add_")) form.requestSubmit();
  });

  // A list of many values says what is chosen while it is open.
  form.addEventListener("change", (event) => {
    const list = event.target.closest(".texts details");
    if (!list) return;
    const chosen = [...list.querySelectorAll("input:checked")].map((box) => box.parentNode.textContent.trim());
    list.querySelector("summary").textContent = chosen.join(" or ") || "(choose)";
  });
}
