/** The accounts of a security administrator's areas; whoever audits them reads the same. */
import { get, post, put, remove, request } from "./http.ts";
import type { Level, Role } from "./types.ts";

export interface LiveRight {
  user_id: string;
  why: string;
  granted_by: string;
  granted_at: string;
  until_at: string;
}

export interface Account {
  user_id: string;
  username: string;
  display_name: string;
  role: Role;
  area_code: string;
  /** Null: the area is in the register no more. */
  area: { name: string; name_en: string; level: Level } | null;
  holder: string | null;
  disabled: boolean;
  created_at: string;
  has_second_factor: boolean;
  /** Why it breaks the rule of the three administrators. */
  breach: string | null;
  /** Null: no right to watch live, or it has ended. */
  live_right: LiveRight | null;
}

export interface NewAccount {
  username: string;
  display_name: string;
  role: Role;
  area_code: string;
  holder: string | null;
  password: string;
}

/** What is not there stays. */
export type AccountChange = Partial<Omit<NewAccount, "username" | "holder"> & { holder: string; disabled: boolean }>;

const one = (userId: string): string => `/api/users/${encodeURIComponent(userId)}`;

export const accounts = {
  all: () => get<{ users: Account[] }>("/api/users"),
  add: (wanted: NewAccount) => post<Account>("/api/users", wanted),
  change: (userId: string, wanted: AccountChange) => request<Account>("PATCH", one(userId), wanted),
  forgetSecondFactor: (userId: string) => remove(`${one(userId)}/second-factor`),
  giveLiveRight: (userId: string, until: string, why: string) => put<LiveRight>(`${one(userId)}/live-right`, { until, why }),
  takeLiveRight: (userId: string) => remove(`${one(userId)}/live-right`),
};
