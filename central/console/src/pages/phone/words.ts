/** Words of the phone's pages that no other page needs. */
import { wordsOf } from "@/words";

const zh = {
  "held.soon": "{seconds} 秒后发送",
  "held.away": "{seconds} 秒内可撤销，有信号后发送",
  "held.undo": "撤销",
  "held.undoAct": "撤销“{act}”",
  "held.tooLate": "已过撤销时间，这一步已提交。",
  "loud.new": "新任务",
  "loud.newCount": "{count} 个新任务，点这里查看",
  "loud.sound.none": "此浏览器不能发声。",
  "loud.sound.asleep": "点一下屏幕后才有提示音。",
  "loud.sound.on": "新任务会响铃。",
  "loud.sound.muted": "已静音，{minutes} 分钟后恢复。",
  "loud.noShake": "此浏览器不能震动。",
  "loud.mute": "静音",
  "loud.unmute": "恢复铃声",
  "loud.notify.ask": "页面在后台时也提醒我",
  "loud.notify.denied": "通知已被禁止，请在浏览器设置中打开。",
  "loud.notify.none": "此浏览器不能发通知，请保持本页打开。",
};

const en: Record<keyof typeof zh, string> = {
  "held.soon": "Sent in {seconds} s",
  "held.away": "Undo within {seconds} s; sent when there is a signal",
  "held.undo": "Undo",
  "held.undoAct": "Undo “{act}”",
  "held.tooLate": "Too late to undo: this step has gone.",
  "loud.new": "New task",
  "loud.newCount": "{count} new task(s): look here",
  "loud.sound.none": "This browser cannot sound.",
  "loud.sound.asleep": "Tap the screen once, then it can sound.",
  "loud.sound.on": "New tasks ring.",
  "loud.sound.muted": "Muted for {minutes} more min.",
  "loud.noShake": "This browser cannot vibrate.",
  "loud.mute": "Mute",
  "loud.unmute": "Unmute",
  "loud.notify.ask": "Notify me when the page is hidden",
  "loud.notify.denied": "Notifications are forbidden; allow them in the browser's settings.",
  "loud.notify.none": "This browser has no notifications; keep this page open.",
};

export const { t: p } = wordsOf(zh, en);
