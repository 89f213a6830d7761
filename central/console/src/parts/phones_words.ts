/** Words of the lists of enrolled phones. */
import { wordsOf } from "@/words";

const zh = {
  title: "登记的手机",
  own: "我的手机",
  ownRule: "登记过的手机不用密码，由本机的密钥自动续期。手机丢失请立即取消，或告诉主管。",
  none: "没有登记的手机",
  failed: "没有收到中心的答复",
  refused: "没有成功：{why}",
  enrol: "登记手机",
  again: "换一个二维码",
  how: "用{name}的手机扫码；只能用一次，{time} 前有效。请看着本人登记，不要让别人拍到。",
  typed: "扫不了码：在手机浏览器打开 {address}，输入",
  picture: "登记手机的二维码",
  done: "已登记：{phone}，{at}",
  over: "二维码已失效，手机没有登记。",
  close: "关闭",
  enrolledBy: "{at} 登记，二维码由 {by} 出示",
  used: "最近使用 {at}",
  revoke: "取消登记",
  sure: "再点一次确认",
  revoked: "{at} 已取消（{by}）",
  this: "本机",
};
const en: typeof zh = {
  title: "Enrolled phones",
  own: "My phones",
  ownRule: "An enrolled phone needs no password: it signs in by its own key. Take a lost one away at once, or tell your supervisor.",
  none: "No phone is enrolled",
  failed: "No answer from the centre",
  refused: "That did not work: {why}",
  enrol: "Enrol a phone",
  again: "Another code",
  how: "Scan it with {name}'s phone; it works once, until {time}. Stand by while it is done, and let nobody else photograph it.",
  typed: "Cannot scan? Open {address} in the phone's browser and type",
  picture: "QR code that enrols a phone",
  done: "Enrolled: {phone}, {at}",
  over: "The code is over, and no phone was enrolled.",
  close: "Close",
  enrolledBy: "enrolled {at}, code shown by {by}",
  used: "last used {at}",
  revoke: "Take away",
  sure: "Press again to confirm",
  revoked: "taken away {at} ({by})",
  this: "this phone",
};

export const { t: ph } = wordsOf<keyof typeof zh>(zh, en);
