/** An address as its owner knows it again and nobody else reads it off the screen. Pure. */
export function masked(address: string): string {
  const at = address.lastIndexOf("@");
  if (at > 0) return `${address.slice(0, 1)}***${address.slice(at)}`;
  return address.length < 8 ? "***" : `${address.slice(0, 3)}****${address.slice(-4)}`;
}
