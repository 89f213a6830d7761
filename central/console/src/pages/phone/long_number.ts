/** A telephone or identity number, as the centre refuses it (routes/asking.py): told before anything is kept. */
export const LONG_NUMBER = /\d{7,}|1[3-9]\d[ -]\d{4}[ -]?\d{4}|1[3-9]\d{5}[ -]\d{4}|\d{3,4}[ -]\d{4}[ -]\d{3,4}/;
