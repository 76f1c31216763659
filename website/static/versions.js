// Shows which versions of the site lie beside this one, where there are any.
// From a file, or where one version stands alone, there is no list: then nothing is shown.
(async () => {
  const place = document.getElementById("versions");
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
  if (!place || !location.protocol.startsWith("http")) return;
  const answer = await fetch(new URL("../versions.json", root));
  if (!answer.ok) return;
  const versions = await answer.json();
  const own = root.pathname.split("/").at(-2);
  if (!versions.includes(own)) return;
  const select = place.querySelector("select");
  for (const version of versions) {
    select.add(new Option(version, version, false, version === own));
  }
  const page = location.href.slice(root.href.length);
  select.addEventListener("change", async () => {
    const there = new URL(`../${select.value}/`, root);
    const same = new URL(page, there);
    const found = await fetch(same, { method: "HEAD" });
    location.assign(found.ok ? same : there);
  });
  place.hidden = false;
  if (own !== versions[0]) {
    const note = document.getElementById("not-latest");
    note.querySelector("a").href = new URL(`../${versions[0]}/`, root);
    note.hidden = false;
  }
})();
