/** Registers the service worker, under the page's rule of Trusted Types, and says when a newer one waits. */

interface Policy {
  createScriptURL(url: string): unknown;
}
interface Factory {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): Policy;
}

const WORKER = "serviceWorker.js";

/** Calls `onWaiting` with what makes the newer version take over, once there is one. */
export async function keepReader(onWaiting: (takeOver: () => void) => void): Promise<void> {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  const { trustedTypes } = globalThis as { trustedTypes?: Factory };
  const policy = trustedTypes?.createPolicy("crdt-sync", {
    createScriptURL: (url) => {
      if (url !== WORKER) throw new TypeError("no other script is made here");
      return url;
    },
  });
  const url = (policy ? policy.createScriptURL(WORKER) : WORKER) as string;
  const hadOne = navigator.serviceWorker.controller !== null;
  const registration = await navigator.serviceWorker.register(url, { scope: "./", updateViaCache: "none" });
  const offer = (worker: ServiceWorker | null) => {
    if (!worker || !hadOne) return;
    onWaiting(() => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
      worker.postMessage("take over");
    });
  };
  offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const { installing } = registration;
    installing?.addEventListener("statechange", () => installing.state === "installed" && offer(registration.waiting));
  });
  const { active } = await navigator.serviceWorker.ready;
  const idle = globalThis.requestIdleCallback ?? ((call: () => void) => setTimeout(call, 2000));
  idle(() => active?.postMessage("keep the text"));
}
