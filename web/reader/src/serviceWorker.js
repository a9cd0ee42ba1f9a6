/**
 * Keeps the reader in this browser, so that it opens with no network.
 *
 * The shell of one version is one cache, filled whole before the version counts as installed. A new version waits until
 * the page says that its person agreed, or until no page has the old one open. The books have hashes in their names and
 * outlive versions; they come in when they are first read, and the rest once the page is idle.
 */
const FILES = __FILES__; // { version, shell, text }, by the build
const SHELL = `shell-${FILES.version}`;
const TEXT = "text";
const shell = new Set(FILES.shell.map(inScope));
const text = new Set(FILES.text.map(inScope));

function inScope(name) {
  return new URL(name, self.registration.scope).href;
}

self.addEventListener("install", (event) => {
  const requests = [...shell].map((url) => new Request(url, { cache: "no-cache" }));
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(requests)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys())
        if (name.startsWith("shell-") && name !== SHELL) await caches.delete(name);
      const books = await caches.open(TEXT);
      for (const { url } of await books.keys()) if (!text.has(url)) await books.delete(url);
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
  if (event.data === "keep the text") event.waitUntil(keepText());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = new URL(request.url);
  url.hash = "";
  if (request.mode === "navigate") {
    url.search = "";
    if (url.href === inScope("./")) event.respondWith(kept(SHELL, url.href, request));
  } else if (shell.has(url.href)) event.respondWith(kept(SHELL, url.href, request));
  else if (text.has(url.href)) event.respondWith(kept(TEXT, url.href, request, true));
});

async function kept(name, url, request, keep = false) {
  const cache = await caches.open(name);
  const found = await cache.match(url);
  if (found) return found;
  const answer = await fetch(request);
  if (keep && answer.ok) await cache.put(url, answer.clone());
  return answer;
}

async function keepText() {
  const cache = await caches.open(TEXT);
  for (const url of text) if (!(await cache.match(url))) await cache.add(url);
}
