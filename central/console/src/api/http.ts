/** One door to the centre's API: session cookie, CSRF header, deadline, problem+json, and the centre's clock. */
import type { Problem } from "./types.ts";

const TIMEOUT_MS = 15_000;
/** So long a page may wait in silence for a centre that is busy for a moment. */
const SOON_S = 3;

/** The centre answered, and the answer is no. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    super(problem.detail ?? problem.title);
    this.status = status;
    this.problem = problem;
  }
}

/** No answer: the network, or the centre, is away. Trying again can help; `againS`: in so many seconds, as the centre says. */
export class NoAnswer extends Error {
  readonly againS: number | null;

  constructor(cause: unknown, againS: number | null = null) {
    super("no answer from the centre");
    this.cause = cause;
    this.againS = againS;
  }
}

/** The centre's time in an answer, and how long that answer took. */
type ServerTime = (serverMs: number, tookMs: number) => void;

let csrf = "";
let onSignedOut: () => Promise<boolean> = async () => false;
let onServerTime: ServerTime = () => undefined;
let renew: (sentWith: string) => Promise<boolean> = async () => false;
let untilKnown: () => Promise<boolean> = async () => true;

export function useCsrf(token: string): void {
  csrf = token;
}

export function csrfToken(): string {
  return csrf;
}

/** `handler`: the session is over. True once the same person has signed in again on this page; false: nobody will. */
export function whenSignedOut(handler: () => Promise<boolean>): void {
  onSignedOut = handler;
}

export function whenServerTime(handler: ServerTime): void {
  onServerTime = handler;
}

/** `handler` asks the centre whose session this is by now; true when there is another token for the same person. */
export function whenTokenIsStale(handler: (sentWith: string) => Promise<boolean>): void {
  renew = handler;
}

/** `handler` waits until the session is known; false: the centre could not be asked. */
export function whenTokenIsMissing(handler: () => Promise<boolean>): void {
  untilKnown = handler;
}

/** Somebody has signed in again in another window: the token of this request is of the session before. */
export async function renewToken(sentWith: string): Promise<boolean> {
  return renew(sentWith);
}

export function isStaleToken(status: number, problem: Problem): boolean {
  return status === 403 && problem.code === "cross_site";
}

export function signedOut(): void {
  void onSignedOut();
}

/** `askedAtMs`: by `performance.now()`, which no owner sets. */
export function noteServerTime(dateHeader: string | null, askedAtMs: number): void {
  const serverMs = dateHeader ? Date.parse(dateHeader) : Number.NaN;
  if (Number.isFinite(serverMs)) onServerTime(serverMs, performance.now() - askedAtMs);
}

/** What is only read is asked for once more where the centre says that it can answer soon: its database was busy. */
export async function get<T>(path: string): Promise<T> {
  try {
    return await call<T>("GET", path);
  } catch (error) {
    const againS = error instanceof NoAnswer ? error.againS : null;
    if (againS === null || againS > SOON_S) throw error;
    await new Promise((done) => setTimeout(done, againS * 1000));
    return call<T>("GET", path);
  }
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return call<T>("POST", path, body);
}

/** A question about which others are asked: it may take minutes, and `signal` gives it up (`NoAnswer` then). */
export async function ask<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
  return call<T>("POST", path, body, signal);
}

export async function put<T>(path: string, body: unknown): Promise<T> {
  return call<T>("PUT", path, body);
}

/** With a method that has no function of its own. */
export async function request<T>(method: "PATCH", path: string, body: unknown): Promise<T> {
  return call<T>(method, path, body);
}

export async function remove(path: string): Promise<void> {
  await call<unknown>("DELETE", path);
}

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal, isSecondTry = false): Promise<T> {
  if (method !== "GET" && !csrf && !path.startsWith("/api/session") && !(await untilKnown())) throw new NoAnswer(null);
  const sentWith = csrf;
  const headers: Record<string, string> = method !== "GET" && sentWith ? { "X-CSRF-Token": sentWith } : {};
  const response = await answered(method, path, { headers, body, credentials: "same-origin", signal });
  if (!response.ok) {
    const refused = await refusalOf(response);
    if (!isSecondTry && (await mayTryAgain(refused, path, sentWith))) return call<T>(method, path, body, signal, true);
    throw refused;
  }
  return response.status === 204 ? (undefined as T) : said<T>(response);
}

/**
 * An act that finds its session over waits for the person to sign in again, and goes on by itself. What is asked after
 * that was found, with no token, is refused: a page that asks every few seconds must not pile up a night's questions.
 */
async function mayTryAgain(refused: Error, path: string, sentWith: string): Promise<boolean> {
  if (!(refused instanceof ApiProblem)) return false;
  if (isStaleToken(refused.status, refused.problem)) return renewToken(sentWith);
  if (refused.status !== 401 || path === "/api/session" || path.startsWith("/api/session/phone/")) return false;
  const signedInAgain = onSignedOut();
  return sentWith !== "" && (await signedInAgain);
}

interface Asked {
  headers: Record<string, string>;
  body: unknown;
  credentials: RequestCredentials;
  signal?: AbortSignal | undefined;
}

/** The centre's answer to one request, whatever it says. Raises NoAnswer. */
export async function answered(method: string, path: string, asked: Asked): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...asked.headers };
  if (asked.body !== undefined) headers["Content-Type"] = "application/json";
  const askedAtMs = performance.now();
  try {
    const response = await fetch(path, {
      method,
      headers,
      body: asked.body === undefined ? null : JSON.stringify(asked.body),
      credentials: asked.credentials,
      cache: "no-store",
      signal: asked.signal ?? AbortSignal.timeout(TIMEOUT_MS),
    });
    noteServerTime(response.headers.get("Date"), askedAtMs);
    return response;
  } catch (error) {
    throw new NoAnswer(error);
  }
}

/** What an answer carries. Raises NoAnswer when it breaks off. */
export async function said<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch (error) {
    throw new NoAnswer(error);
  }
}

/** Why the centre refused, or that it did not answer. */
export async function refusalOf(response: Response): Promise<ApiProblem | NoAnswer> {
  const problem = asProblem(await response.json().catch(() => null), response.status);
  // A proxy's 502–504, and the centre's own 503, say only that the centre cannot answer now.
  if (response.status >= 502 && response.status <= 504) return new NoAnswer(problem, secondsIn(response.headers.get("Retry-After")));
  return new ApiProblem(response.status, problem);
}

/** null: it says none, or a date. */
function secondsIn(retryAfter: string | null): number | null {
  return retryAfter !== null && /^\d{1,4}$/.test(retryAfter) ? Number(retryAfter) : null;
}

export function asProblem(value: unknown, status: number): Problem {
  const known = typeof value === "object" && value !== null ? (value as Partial<Problem>) : {};
  return { type: "about:blank", title: `HTTP ${status}`, status, ...known };
}
