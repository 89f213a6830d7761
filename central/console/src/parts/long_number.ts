/** A telephone or identity number, as the centre refuses it (routes/asking.py): told before anything is kept. */
const LONG_NUMBER = /\d{7,}|1[3-9]\d[ -]\d{4}[ -]?\d{4}|1[3-9]\d{5}[ -]\d{4}|\d{3,4}[ -]\d{4}[ -]\d{3,4}/;
/** As a note names another case: 20261123-0001. */
const INCIDENT_NUMBER = /(^|\D)20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-\d{4,5}(?!\d)/g;

export const saysLongNumber = (text: string): boolean => LONG_NUMBER.test(text.replace(INCIDENT_NUMBER, "$1 "));
