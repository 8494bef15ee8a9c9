(() => {
const all = (q, e = document) => [...e.querySelectorAll(q)];
const line = (name, cls) => Object.assign(document.createElement(name), {className: cls});
const said = document.body.appendChild(line("p", "hide"));
said.setAttribute("role", "status");

// Buttons that copy a command.
const copy = async (code, button) => {
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch { // not over plain HTTP
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
  button.textContent = said.textContent = "Copied";
  setTimeout(() => button.textContent = "Copy", 1500);
};
const dress = e => all(".cmd", e).forEach(c => {
  const b = c.appendChild(line("button", "copy"));
  b.type = "button";
  b.textContent = "Copy";
  b.onclick = () => copy(c.querySelector("code"), b);
});
dress(document);

// A link opens what its target lies in.
const reveal = () => {
  const e = document.getElementById(location.hash.slice(1));
  for (let p = e; p; p = p.parentElement) if (p.localName == "details") p.open = true;
  e?.scrollIntoView();
};
addEventListener("hashchange", reveal);
if (location.hash) reveal();

// A newer report takes the place of this one, part by part: what did not change stays as
// it is, and what did keeps what was opened, and the focus.
const every = +document.body.dataset.live;
if (!every) return;
const bare = e => {
  const c = e.cloneNode(true);
  all(".copy", c).forEach(b => b.remove());
  all(".rel", c).forEach(r => r.textContent = "");
  all("[open]", c).forEach(d => d.removeAttribute("open"));
  return c.outerHTML;
};
const label = e => e.textContent.replace(/\(\d+\)/, "");
const name = d => label(d.querySelector("summary"));
const update = (old, now) => {
  if (bare(old) == bare(now)) {
    const to = all(".rel", old);
    all(".rel", now).forEach((r, i) => to[i].textContent = r.textContent);
    return;
  }
  const range = getSelection();
  if (!range.isCollapsed && old.contains(range.anchorNode) && old.dataset.part != "verdict") return;
  const open = new Set(all("details[open]", old).map(name));
  all("details", now).forEach(d => d.open = open.has(name(d)));
  dress(now);
  const stops = e => all("a, button, summary, pre", e);
  const held = stops(old).find(e => e == document.activeElement);
  old.replaceWith(now);
  if (held) stops(now).find(e => label(e) == label(held))?.focus({preventScroll: true});
};
const parts = e => all("[data-part]", e).filter(p => !p.parentElement.closest("[data-part]"));
const look = async () => {
  let page;
  try {
    const answer = await fetch(location.pathname, {cache: "no-store", signal: AbortSignal.timeout(10000)});
    if (!answer.ok) throw answer.status;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    if (!state.late) state.late = new Date().toISOString().slice(11, 16) + " UTC";
    return tell();
  }
  state.late = "";
  const verdict = document.querySelector("h1").textContent;
  const have = new Map(parts(document).map(p => [p.dataset.part, p]));
  let last = null;
  for (const now of parts(page)) {
    const old = have.get(now.dataset.part);
    have.delete(now.dataset.part);
    if (old) update(old, now);
    else {
      dress(now);
      last && last.parentElement.localName == now.parentElement.localName ? last.after(now) : document.querySelector(now.parentElement.localName).prepend(now);
    }
    last = document.querySelector(`[data-part="${now.dataset.part}"]`);
  }
  have.forEach(p => p.remove());
  document.title = page.title;
  document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").href;
  const word = document.querySelector("h1").textContent;
  if (word != verdict) said.textContent = word;
  tell();
};
const state = {late: "", held: false};
const bar = line("p", "live");
document.querySelector(".age").after(bar);
const text = bar.appendChild(line("span", ""));
const hold = bar.appendChild(line("button", "hold"));
hold.type = "button";
hold.onclick = () => { state.held = !state.held; tell(); state.held || look(); };
const tell = () => {
  text.textContent = state.held ? "Paused. " : state.late ? `No answer from the daemon since ${state.late}. ` : "Updates by itself. ";
  bar.classList.toggle("bad", !!state.late && !state.held);
  hold.textContent = state.held ? "Resume" : "Pause";
};
tell();
const due = () => state.held || document.hidden || look();
setInterval(due, every * 1000);
document.addEventListener("visibilitychange", due);
})();
