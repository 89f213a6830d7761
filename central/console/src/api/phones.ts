/** A worker's phones: enrolled by a code, going on by their own key, taken away. */
import { get, post, remove } from "./http.ts";
import type { AreaName, Session } from "./types.ts";

export interface Phone {
  phone_id: string;
  /** Of the browser and the system. */
  name: string;
  enrolled_at: string;
  /** User name of who showed the code. */
  enrolled_by: string;
  last_used_at: string;
  revoked_at: string | null;
  revoked_by: string | null;
}

export interface PhonesOfWorker {
  /** One that no phone has used yet. */
  waiting_code: { made_by: string; expires_at: string } | null;
  /** Those bound now first. */
  phones: Phone[];
}

export interface ShownCode {
  code: string;
  expires_at: string;
  /** Null: as this page was opened. */
  origin: string | null;
}

export interface NewPhone {
  code: string;
  key: { x: string; y: string };
  signature: string;
  name: string;
  second: string;
}

const of = (userId: string): string => `/api/users/${encodeURIComponent(userId)}`;

/** For who leads the workers, and who keeps their accounts. */
export const phonesOf = {
  all: (userId: string) => get<PhonesOfWorker>(`${of(userId)}/phones`),
  makeCode: (userId: string) => post<ShownCode>(`${of(userId)}/phone-code`, {}),
  voidCode: (userId: string) => remove(`${of(userId)}/phone-code`),
  revoke: (userId: string, phoneId: string) => remove(`${of(userId)}/phones/${encodeURIComponent(phoneId)}`),
};

export const ownPhones = {
  all: () => get<{ phones: (Phone & { is_this: boolean })[] }>("/api/session/phones"),
  revoke: (phoneId: string) => remove(`/api/session/phones/${encodeURIComponent(phoneId)}`),
};

export const thisPhone = {
  whose: (code: string) => post<{ display_name: string; area: AreaName | null }>("/api/session/phone/whose", { code }),
  enrol: (wanted: NewPhone) => post<{ phone_id: string; session: Session }>("/api/session/phone/enrol", wanted),
  challenge: (phoneId: string) => post<{ challenge: string }>("/api/session/phone/challenge", { phone_id: phoneId }),
  renew: (phoneId: string, challenge: string, signature: string) =>
    post<Session>("/api/session/phone/renew", { phone_id: phoneId, challenge, signature }),
};
