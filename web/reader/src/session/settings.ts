/** What this browser's person has chosen. It is kept here and goes nowhere, but for the name that others see. */
import { createContext, useContext } from "react";
import { preferredLanguage } from "../texts";
import type { Language } from "../texts";

export interface Settings {
  readonly language: Language;
  readonly theme: "auto" | "light" | "dark";
  /** 0 to 5; 2 is as the browser has it. */
  readonly size: number;
  readonly name: string;
  /** The room of open mode. */
  readonly room: string;
}

const KEY = "reader/settings";
export const MAX_SIZE = 5;

export function loadSettings(): Settings {
  let kept: Partial<Settings> = {};
  try {
    kept = (JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {}) as Partial<Settings>;
  } catch {
    // what cannot be read is as good as not there
  }
  const asked = new URLSearchParams(location.search).get("room");
  return {
    language: kept.language === "de" || kept.language === "en" ? kept.language : preferredLanguage(navigator.languages),
    theme: kept.theme === "light" || kept.theme === "dark" ? kept.theme : "auto",
    size: Number.isInteger(kept.size) && kept.size! >= 0 && kept.size! <= MAX_SIZE ? kept.size! : 2,
    name: typeof kept.name === "string" ? kept.name : "",
    room: asked || (typeof kept.room === "string" && kept.room ? kept.room : "reader"),
  };
}

export function saveSettings(settings: Settings): void {
  localStorage.setItem(KEY, JSON.stringify(settings));
}

export const SettingsContext = createContext<{ settings: Settings; change: (change: Partial<Settings>) => void }>({
  settings: { language: "en", theme: "auto", size: 2, name: "", room: "reader" },
  change: () => undefined,
});
export const useSettings = () => useContext(SettingsContext);

/** Applies what concerns the whole page. */
export function applySettings({ language, theme, size }: Settings, prefersDark: boolean): void {
  const { documentElement: root } = document;
  const dark = theme === "dark" || (theme === "auto" && prefersDark);
  root.lang = language;
  root.dataset.theme = dark ? "dark" : "light";
  root.dataset.size = String(size);
  document.querySelector<HTMLMetaElement>('meta[name="theme-color"]')!.content = dark ? "#15181c" : "#faf7f0";
}
