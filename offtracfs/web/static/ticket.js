// A ticket's page: the slider over its versions, and its links, which take longer to find.
"use strict";
{
  let shown = location.pathname; // of what is in the window

  const parsed = async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(answer.statusText);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  // The versions up to now, also on a page of the past: that page itself must stay as it was.
  const slide = (slider) => {
    const told = document.getElementById("version-told");
    let versions;
    const load = () => {
      versions ??= fetch(slider.dataset.versions)
        .then((answer) => answer.json())
        .then((found) => {
          slider.max = found.versions.length;
          return found.versions;
        });
      return versions;
    };
    const chosen = async () => (await load())[slider.value - 1];
    const tell = async () => {
      const version = await chosen();
      const when = version.time.replace("T", " ").slice(0, 16);
      told.textContent = `${slider.value} of ${slider.max}: ${when} by ${version.author || "anonymous"}: ${version.change}`;
    };
    const go = async () => {
      const version = await chosen();
      if (!version.there) return;
      const address = version.address + location.search;
      try {
        const page = await parsed(address);
        history.pushState(null, "", address);
        shown = location.pathname;
        document.title = page.title;
        document.body.replaceWith(page.body);
        begin();
        document.getElementById("version").focus();
      } catch {
        location.assign(address);
      }
    };
    slider.hidden = false;
    slider.addEventListener("pointerenter", load, { once: true });
    slider.addEventListener("focus", load, { once: true });
    slider.addEventListener("input", tell);
    slider.addEventListener("change", go);
  };

  const showLinks = async (place) => {
    const found = (await parsed(place.querySelector("a").href)).getElementById("links");
    if (found?.querySelector("a")) place.replaceChildren(...found.childNodes);
    else place.remove();
  };

  const begin = () => {
    const slider = document.getElementById("version");
    if (slider) slide(slider);
    const place = document.getElementById("links");
    if (place) showLinks(place).catch(() => {}); // then the link to that page stays
  };
  // A link within the page comes here, too.
  window.addEventListener("popstate", () => location.pathname !== shown && location.reload());
  begin();
}
