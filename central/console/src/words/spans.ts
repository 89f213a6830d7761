/** Lengths of time as text. Pure; seconds in, text out. */
export type Language = "zh" | "en";

const UNITS: Record<Language, { day: string; hour: string; minute: string; second: string }> = {
  zh: { day: "天", hour: "小时", minute: "分", second: "秒" },
  en: { day: " d ", hour: " h ", minute: " min ", second: " s" },
};

/** The two largest units: "3分12秒", "2小时05分", "1天3小时". */
export function spanText(seconds: number, language: Language): string {
  const whole = Math.max(0, Math.floor(seconds));
  const unit = UNITS[language];
  const days = Math.floor(whole / 86_400);
  const hours = Math.floor((whole % 86_400) / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (days > 0) return `${days}${unit.day}${hours}${unit.hour}`.trim();
  if (hours > 0) return `${hours}${unit.hour}${two(minutes)}${unit.minute}`.trim();
  if (minutes > 0) return `${minutes}${unit.minute}${two(whole % 60)}${unit.second}`;
  return `${whole}${unit.second}`;
}

/** About how long, to the nearest minute, from a day on to the nearest hour: "365天", "2小时05分", "10分". */
export function aboutText(seconds: number, language: Language): string {
  const unitS = seconds < 86_400 - 30 ? 60 : 3600;
  const rounded = Math.max(60, Math.round(seconds / unitS) * unitS);
  const unit = UNITS[language];
  if (rounded % 86_400 === 0) return `${rounded / 86_400}${unit.day}`.trim();
  if (rounded < 3600) return `${rounded / 60}${unit.minute}`.trim();
  return spanText(rounded, language);
}

/** "01:23", or "1:02:03" from an hour on. The sign is the caller's to say in words. */
export function countdownText(seconds: number): string {
  const whole = Math.abs(Math.trunc(seconds));
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
