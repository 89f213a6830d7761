/** Who signs in, and how. */
import type { AreaName } from "./areas.ts";

export type Role = "admin" | "security" | "operator" | "rule_operator" | "supervisor" | "worker" | "auditor" | "viewer";

export interface User {
  user_id: string;
  username: string;
  display_name: string;
  role: Role;
  area: AreaName;
}

/** A person's own second factor, as the centre tells it; secrets are shown once, when they are made. */
export interface SecondFactor {
  is_enrolled: boolean;
  /** Nothing but enrolling one, and signing out, is allowed now. */
  must_enrol: boolean;
  recovery_codes_left: number;
}

export interface Enrolment {
  secret: string;
  uri: string;
}

/** The password was right, and a code is asked now. */
export interface SecondStepAsked {
  second_step: true;
  expires_in_s: number;
}

export interface WaysToSignIn {
  single_sign_on: boolean;
  label: string;
}

export interface Session {
  user: User;
  second_factor: SecondFactor;
  csrf: string;
}

/** Somebody looked up more within an hour than the norm, beyond the own queue and tasks. */
export interface BulkRead {
  alarm_id: string;
  at: string;
  person: { user_id: string; username: string; display_name: string; role: Role };
  cases: number;
  pictures: number;
  norm: number;
}
