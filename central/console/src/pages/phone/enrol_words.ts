/** Words of the page that enrols a phone. */
import { wordsOf } from "@/words";

const zh = {
  title: "登记这部手机",
  looking: "正在核对…",
  whose: "登记后，这部手机属于",
  rule: "以后这部手机不用密码，信号恢复后自动续期。只在您自己的手机上登记；手机丢失请马上告诉主管。",
  go: "是我，登记这部手机",
  busy: "正在登记…",
  notMe: "不是我",
  type: "输入主管屏幕上的登记码",
  check: "核对",
  over: "这个登记码已失效：用过、过期、被换掉，或输错了。请主管再出示一个。",
  second: "您启用了双因素：输入验证器上的 6 位数字，或一个备用码",
  secondWrong: "验证码不正确，或已经用过。请等下一组数字。",
  tooMany: "尝试次数过多，请稍后再试。",
  noAnswer: "连不上指挥中心服务器，请检查网络后重试。",
  refused: "没有成功：{why}",
  plain: "这部手机不能登记：中心没有用 https 打开，浏览器不给密钥。请用密码登录，功能不变，约 12 小时登录一次。",
  toLogin: "用密码登录",
};
const en: typeof zh = {
  title: "Enrol this phone",
  looking: "Looking it up…",
  whose: "Once enrolled, this phone belongs to",
  rule: "From then on it needs no password and signs in by itself when there is a signal. Enrol only your own phone; tell your supervisor at once when it is lost.",
  go: "That is me, enrol this phone",
  busy: "Enrolling…",
  notMe: "That is not me",
  type: "Type the code on your supervisor's screen",
  check: "Look it up",
  over: "This code works no more: it was used, is over, was replaced, or is mistyped. Ask your supervisor for another.",
  second: "You have a second factor: six digits of the app, or a recovery code",
  secondWrong: "The code is wrong, or was used. Wait for the next digits.",
  tooMany: "Too many attempts, try again later.",
  noAnswer: "The centre cannot be reached. Check the network and try again.",
  refused: "That did not work: {why}",
  plain: "This phone cannot be enrolled: the centre was not opened by https, and the browser gives no keys then. Sign in by password; all works as well, with a sign-in about every 12 hours.",
  toLogin: "Sign in by password",
};

export const { t: enrolText } = wordsOf<keyof typeof zh>(zh, en);
