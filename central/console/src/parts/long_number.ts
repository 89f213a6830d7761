/** A telephone or identity number, as the centre refuses it (routes/asking.py): told before anything is kept. Digits of
 * full width count, as they do there. */
const LONG_NUMBER = /\p{Nd}{7,}|1[3-9]\p{Nd}[ -]\p{Nd}{4}[ -]?\p{Nd}{4}|1[3-9]\p{Nd}{5}[ -]\p{Nd}{4}|\p{Nd}{3,4}[ -]\p{Nd}{4}[ -]\p{Nd}{3,4}/u;
/** As a note names another case: 20261123-0001. */
const INCIDENT_NUMBER = /(^|\P{Nd})20\p{Nd}\p{Nd}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\p{Nd}|3[01])-\p{Nd}{4,5}(?!\p{Nd})/gu;

export const saysLongNumber = (text: string): boolean => LONG_NUMBER.test(text.replace(INCIDENT_NUMBER, "$1 "));
