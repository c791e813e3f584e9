// Keys, on every page: / searches, j and k go through a list, g and a number go to a ticket, ? says so.
"use strict";
{
  const PAUSE = 900; // milliseconds after the last digit, if Enter does not come first
  const HELP = "/ search · j k next, previous · o or Enter open · g 42 to ticket 42 · h overview · ? this";
  let digits = null;
  let timer;

  const say = (text) => {
    let place = document.getElementById("keys");
    if (!place) {
      place = Object.assign(document.createElement("p"), { id: "keys" });
      place.setAttribute("role", "status");
      document.body.append(place);
    }
    place.textContent = text;
    place.hidden = !text;
  };
  const home = () => document.querySelector("body > header .name a").getAttribute("href");
  const goToTicket = () => {
    if (digits) location.assign(`${home()}ticket/${digits}`);
    digits = null;
    say("");
  };

  // What j and k go through: the tickets of a list, or the tickets around this one.
  const step = (by) => {
    const around = document.querySelector(`.walk a[rel="${by > 0 ? "next" : "prev"}"]`);
    const links = [...document.querySelectorAll("main :is(li, td, th, h2) a.ticket")];
    if (around) location.assign(around.href);
    else if (links.length) {
      const place = links.indexOf(document.activeElement);
      links[place < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(place + by, 0), links.length - 1)].focus();
    }
  };

  const keys = {
    "/": () => (document.querySelector('input[type="search"]') ?? { focus: () => location.assign(`${home()}search`) }).focus(),
    j: () => step(1),
    k: () => step(-1),
    o: () => document.activeElement.matches("a") && document.activeElement.click(),
    h: () => location.assign(home()),
    g: () => say("Go to ticket " + (digits = "")),
    "?": () => say(HELP),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    clearTimeout(timer);
    if (digits !== null && /^[0-9]$/.test(event.key)) {
      say(`Go to ticket ${(digits += event.key)}`);
      timer = setTimeout(goToTicket, PAUSE);
    } else if (digits !== null && event.key === "Enter") goToTicket();
    else if (event.key === "Escape") say((digits = null) ?? "");
    else if (event.key in keys) {
      digits = null;
      say("");
      keys[event.key]();
    } else return;
    event.preventDefault();
  });
}
