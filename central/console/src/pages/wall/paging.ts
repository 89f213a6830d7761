/** Which rows a wall shows when there are more than fit: page after page, by the clock alone. Pure. */

/** How long a page stays: six rows of a line and a half are read in eight seconds, and two are for looking up. */
export const PAGE_S = 10;

export interface Paged<Row> {
  rows: Row[];
  /** From 0. */
  page: number;
  pages: number;
}

export function pageAt<Row>(rows: readonly Row[], size: number, nowMs: number): Paged<Row> {
  const pages = Math.max(1, Math.ceil(rows.length / size));
  const page = Math.floor(nowMs / (PAGE_S * 1000)) % pages;
  return { rows: rows.slice(page * size, (page + 1) * size), page, pages };
}
