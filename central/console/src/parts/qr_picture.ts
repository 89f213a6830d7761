/** A QR code as one SVG path: squares of one unit, a quiet zone of four around them as the standard asks. */
import qrcode from "qrcode-generator";

const QUIET = 4;

export interface QrPicture {
  /** Width and height of the view box. */
  size: number;
  path: string;
}

export function qrPicture(text: string): QrPicture {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const count = code.getModuleCount();
  const squares: string[] = [];
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) squares.push(`M${column + QUIET} ${row + QUIET}h1v1h-1z`);
    }
  }
  return { size: count + 2 * QUIET, path: squares.join("") };
}
