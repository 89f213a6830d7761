/** What an enrolled phone signs, and how its browser is called in the list. No storage, no centre. */

/** As the centre compares a code: people type it with spaces and dashes, in small letters, and misread some. */
export function plainCode(typed: string): string {
  return typed
    .replace(/[\s-]/g, "")
    .toUpperCase()
    .replace(/[IL]/g, "1")
    .replace(/O/g, "0");
}

/** In fours, as it is read and typed. */
export function codeInFours(code: string): string {
  return code.replace(/(.{4})(?=.)/g, "$1-");
}

export const toEnrol = (code: string): string => `xueliang phone enrol\n${plainCode(code)}`;

export const toRenew = (phoneId: string, challenge: string): string => `xueliang phone renew\n${phoneId}\n${challenge}`;

/** A key that no script can read out, this page's own included. */
export async function makeKey(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
}

export async function publicPart(pair: CryptoKeyPair): Promise<{ x: string; y: string }> {
  const { x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  if (x === undefined || y === undefined) throw new Error("the browser exports no point of a P-256 key");
  return { x, y };
}

/** Base64url of r || s. */
export async function signed(message: string, key: CryptoKey): Promise<string> {
  const bytes = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, new TextEncoder().encode(message));
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}

const BROWSERS: readonly [RegExp, string][] = [
  [/MicroMessenger\//, "微信 WeChat"],
  [/EdgA?\//, "Edge"],
  [/SamsungBrowser\//, "Samsung Internet"],
  [/HuaweiBrowser\//, "Huawei Browser"],
  [/MiuiBrowser\//, "Mi Browser"],
  [/(?:Firefox|FxiOS)\//, "Firefox"],
  [/(?:HeadlessChrome|Chrome|CriOS)\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS: readonly [RegExp, string][] = [
  [/OpenHarmony|HarmonyOS/, "HarmonyOS"],
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

/** Two words for a list; nothing is judged by it. */
export function browserName(userAgent: string): string {
  const found = [BROWSERS, SYSTEMS].map((known) => known.find(([sign]) => sign.test(userAgent))?.[1] ?? "?");
  return found.join(" · ");
}
