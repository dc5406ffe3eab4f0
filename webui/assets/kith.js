// The panel's only script. Every page is whole without it; it keeps pages fresh and shows progress.
// The same file is the shared worker: plain HTTP allows six connections a host, so all tabs share one stream.
const RETRY = 3000, STALE = 8000, POLL = 20000, BEAT = 2000;

// One event stream; `tell` gets {up: true, data} and {up: false}.
function listen(tell) {
  const source = new EventSource("/events");
  source.addEventListener("status", (event) => tell({ up: true, data: JSON.parse(event.data) }));
  source.onopen = () => tell({ up: true });
  source.onerror = () => {
    tell({ up: false });
    if (source.readyState === 2) { source.close(); again = setTimeout(() => { inner = listen(tell); }, 5 * RETRY); }
  };
  let inner, again;
  return () => { clearTimeout(again); source.close(); if (inner) inner(); };
}

if (typeof SharedWorkerGlobalScope !== "undefined" && self instanceof SharedWorkerGlobalScope) {
  const ports = new Map();
  let last, stop;
  // A port that has not spoken for a while is a tab that was closed.
  const review = () => {
    const now = Date.now();
    for (const [port, at] of ports) if (now - at > 4 * BEAT) ports.delete(port);
    if (ports.size && !stop) stop = listen((news) => { if (news.data || !news.up) last = news; for (const port of ports.keys()) port.postMessage(news); });
    if (!ports.size && stop) { stop(); stop = last = undefined; }
  };
  setInterval(review, BEAT);
  self.onconnect = (event) => {
    const port = event.ports[0];
    port.onmessage = ({ data }) => {
      if (data === "bye") ports.delete(port);
      else { if (!ports.has(port) && last) port.postMessage(last); ports.set(port, Date.now()); }
      review();
    };
    port.start();
  };
} else {
  const $ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const put = (text, ...values) => text.replace(/\{(\d)\}/g, (_, i) => values[i]);

  // Times in the reader's own zone.
  const localise = (root) => $("time[datetime]", root).forEach((time) => {
    const date = new Date(time.dateTime);
    if (isNaN(date)) return;
    time.title = date.toLocaleString(document.documentElement.lang);
    if (/^\d{4}-/.test(time.textContent)) time.textContent = date.toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });
  });

  // What a reader or writer is in the middle of stays as it is.
  const busy = (section) => section.contains(document.activeElement) && document.activeElement !== section && /^(INPUT|TEXTAREA|SELECT|BUTTON)$/.test(document.activeElement.tagName)
    || $("details[open] form", section).length > 0
    || $("textarea, input:not([type=hidden])", section).some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);

  let seen, waiting, fetching;
  const refresh = (keys) => freshen($("[data-live]").filter((section) => section.id && (!keys || section.dataset.live.split(" ").some((key) => keys.includes(key)))));
  async function freshen(wanted) {
    if (!wanted.length) return;
    if (fetching) { waiting = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.href.split("#")[0], { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      localise(fresh);
      for (const section of wanted) {
        const next = fresh.getElementById(section.id);
        // What was waited for is over: the page is another one now.
        if (!next && section.dataset.gone) { location.reload(); return; }
        if (!next || busy(section) || next.innerHTML === section.innerHTML) continue;
        const focus = section.contains(document.activeElement) && document.activeElement.getAttribute("href");
        const open = $("details[open] > summary", section).map((summary) => summary.textContent);
        section.replaceChildren(...next.childNodes);
        $("details > summary", section).forEach((summary) => { if (open.includes(summary.textContent)) summary.parentElement.open = true; });
        if (focus) $("a[href]", section).find((link) => link.getAttribute("href") === focus)?.focus({ preventScroll: true });
      }
    } catch { /* The stream says when the box is back. */ } finally {
      fetching = false;
      if (waiting) { waiting = false; setTimeout(refresh, 500); }
    }
  }

  let lost;
  function hear({ up, data }) {
    const note = document.getElementById("stale");
    if (up) {
      clearTimeout(lost); lost = undefined;
      if (document.body.hasAttribute("data-stale")) { document.body.removeAttribute("data-stale"); if (note) note.hidden = true; refresh(); }
    } else if (!lost) {
      lost = setTimeout(() => { document.body.setAttribute("data-stale", ""); if (note) note.hidden = false; }, STALE);
    }
    if (!data) return;
    const keys = seen ? Object.keys(data).filter((key) => data[key] !== seen[key]) : [];
    seen = data;
    if (keys.length) refresh(keys);
  }

  // The same by turns where shared workers are missing: one tab listens and tells the others.
  function elect(on) {
    const channel = new BroadcastChannel("kith"), me = Math.random();
    let leader = 0, heard = 0, stop;
    const lead = () => { if (stop) return; stop = listen((news) => { hear(news); channel.postMessage({ news, from: me }); }); };
    const resign = () => { if (stop) { stop(); stop = undefined; channel.postMessage({ gone: me }); } };
    channel.onmessage = ({ data }) => {
      if (data.gone) { heard = 0; return; }
      if (stop && data.from < me) return;
      if (stop) resign();
      leader = data.from; heard = Date.now();
      if (data.news) hear(data.news);
    };
    setInterval(() => {
      if (stop) channel.postMessage({ from: me, beat: 1 });
      else if (on() && Date.now() - heard > 3 * BEAT) setTimeout(() => { if (on() && Date.now() - heard > 3 * BEAT) lead(); }, Math.random() * BEAT);
    }, BEAT);
    return { wake: () => { if (Date.now() - heard > 3 * BEAT) lead(); }, rest: resign };
  }

  function follow() {
    const on = () => document.visibilityState === "visible";
    let wake, rest;
    if (typeof SharedWorker !== "undefined") {
      const { port } = new SharedWorker(import.meta.url, { type: "module", name: "kith" });
      port.onmessage = ({ data }) => hear(data);
      port.start();
      wake = () => port.postMessage("here"); rest = () => port.postMessage("bye");
      setInterval(() => { if (on()) wake(); }, BEAT);
    } else if (typeof BroadcastChannel !== "undefined" && typeof EventSource !== "undefined") {
      ({ wake, rest } = elect(on));
    } else {
      setInterval(() => { if (on()) refresh(); }, POLL); return;
    }
    document.addEventListener("visibilitychange", () => { if (on()) { wake(); if (seen) refresh(); } else rest(); });
    addEventListener("pagehide", rest);
    addEventListener("pageshow", () => { if (on()) wake(); });
    if (on()) wake();
  }

  function upload(form) {
    const box = form.querySelector("[data-progress]"), bar = box.querySelector("progress"), said = box.querySelector("p"), words = form.dataset;
    const drop = form.querySelector(".drop"), input = form.querySelector("#file");
    const size = (bytes) => new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: bytes < 1e6 ? "kilobyte" : bytes < 1e9 ? "megabyte" : "gigabyte", maximumFractionDigits: 1 }).format(bytes / (bytes < 1e6 ? 1e3 : bytes < 1e9 ? 1e6 : 1e9));
    for (const type of ["dragover", "dragleave", "drop"]) drop.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", type === "dragover");
      if (type === "drop" && event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const data = new FormData();
      // The fields go first: the box checks the token before it takes a file.
      for (const [name, value] of new FormData(form)) if (typeof value === "string") data.append(name, value);
      const files = $("input[type=file]", form).flatMap((field) => [...field.files]);
      data.append("count", files.length);
      // One request for all: the files of a folder become one directory, and only a whole one.
      for (const file of files) data.append("file", file, file.webkitRelativePath || file.name);
      const request = new XMLHttpRequest(), button = form.querySelector("button.button");
      const fail = (text) => { said.textContent = text; button.disabled = false; };
      box.hidden = false; button.disabled = true; bar.value = 0; said.textContent = "";
      let told = 0;
      request.upload.onprogress = ({ loaded, total }) => {
        bar.value = total ? 100 * loaded / total : 0;
        if (Date.now() - told < 1000 && loaded < total) return;
        told = Date.now();
        said.textContent = loaded < total ? put(words.busy, Math.floor(bar.value), size(total)) : words.slow;
      };
      request.onerror = () => fail(words.fail);
      request.onload = () => {
        if (request.status < 400) { location.assign(request.responseURL); return; }
        const page = new DOMParser().parseFromString(request.responseText, "text/html");
        fail([page.querySelector("h1"), page.querySelector(".detail code")].map((part) => part?.textContent).filter(Boolean).join(": ") || words.fail);
      };
      request.open("POST", form.getAttribute("action"));
      request.send(data);
    });
  }

  // The seconds of a change that waits; the box counts too, and only the box decides.
  const counted = document.querySelector("[data-countdown]");
  if (counted) {
    const ends = Date.now() + 1000 * counted.dataset.countdown;
    const tick = setInterval(() => {
      const left = Math.max(0, Math.round((ends - Date.now()) / 1000)), clock = counted.querySelector("[data-clock] strong"), said = counted.querySelector("[data-said-here]");
      if (clock) clock.textContent = left;
      if (said && [60, 30, 10].includes(left)) said.textContent = put(counted.dataset.said, left);
      if (!left) { clearInterval(tick); setTimeout(() => location.reload(), 2000); }
    }, 1000);
  }
  // The log is on no stream, since whoever shows it would have to read it all the time.
  $("[data-poll]").forEach((section) => setInterval(() => { if (document.visibilityState === "visible") freshen([section]); }, 1000 * section.dataset.poll));

  // Aiming: the best signal so far, and a tone that rises with it, for eyes that are on the antenna.
  const aim = document.getElementById("aim-s");
  if (aim) {
    const best = document.querySelector("[data-best]"), button = document.querySelector("[data-beep]"), on = button.textContent;
    let most = -200, sound;
    button.hidden = false;
    button.onclick = () => { sound = sound ? (sound.close(), undefined) : new AudioContext(); button.textContent = sound ? button.dataset.off : on; };
    setInterval(() => {
      const signal = Number(aim.querySelector("[data-signal]")?.dataset.signal || -200);
      if (signal > most && signal > -120) { most = signal; best.hidden = false; best.querySelector("strong").textContent = most; }
      if (!sound || signal < -120) return;
      const tone = sound.createOscillator();
      tone.frequency.value = 200 + 14 * Math.max(0, signal + 95);
      tone.connect(sound.destination); tone.start(); tone.stop(sound.currentTime + .12);
    }, 1000);
  }

  localise(document);
  $(".folder").forEach((field) => { field.hidden = !("webkitdirectory" in HTMLInputElement.prototype); });
  $("[data-reveal]").forEach((button) => {
    const field = document.getElementById(button.dataset.reveal), show = button.textContent;
    button.hidden = false;
    button.setAttribute("aria-controls", field.id);
    button.onclick = () => { const open = field.type === "password"; field.type = open ? "text" : "password"; button.textContent = open ? button.dataset.hide : show; };
  });
  $("[data-copy]").forEach((button) => {
    button.hidden = false;
    // Over plain HTTP there is no clipboard object; the old way still works.
    button.onclick = () => { const field = document.getElementById(button.dataset.copy); field.select(); if (document.execCommand("copy")) button.textContent = button.dataset.done; };
  });
  $("[data-print]").forEach((button) => { button.hidden = false; button.onclick = () => print(); });
  $("textarea[data-count]").forEach((field) => {
    const note = document.createElement("p");
    note.className = "hint";
    field.after(note);
    // The limit is one of bytes; `maxlength` alone counts UTF-16.
    field.oninput = () => {
      const left = field.maxLength - new TextEncoder().encode(field.value.trim()).length, over = left < 0 ? put(field.dataset.over, -left) : "";
      note.textContent = over || (left < 300 ? put(field.dataset.count, left) : "");
      field.setCustomValidity(over);
    };
  });
  $("form[data-upload]").forEach(upload);
  $("form:not([data-upload])").forEach((form) => form.addEventListener("submit", () => setTimeout(() => $("button", form).forEach((button) => { button.disabled = true; }))));
  addEventListener("pageshow", () => $("form button").forEach((button) => { button.disabled = false; }));
  if (document.body.hasAttribute("data-signed-in")) follow();
}
