/**
 * Names, units and help of the settings of rules. English help is the schema's own; Chinese is written here, by name, and
 * by hazard where a name means something else there. tests/unit/central/test_setting_words.py finds one without words.
 */
import { isChinese } from "@/words";

/** Name and help, in Chinese. */
const CHINESE: Record<string, readonly [string, string]> = {
  place_class: ["场所类别", "摄像机看的是哪类场所；规则可按场所类别设不同级别。"],
  look_every_s: ["查看间隔", "两次查看之间的秒数；不填则按规则需要自动确定。"],
  rules: ["规则", "摄像机的全部规则；没有列出的即删除。"],
  rule_id: ["规则编号", "本摄像机内唯一，告警会带上它。"],
  version: ["修订号", "每次修改加一，告警据此说明用的是哪一版。"],
  hazard: ["隐患类型", "这条规则监测什么。"],
  severity: ["级别", "1 特别重大（红）到 4 一般（蓝）。"],
  severity_by_place: ["按场所的级别", "在这些场所类别的摄像机上使用的级别，其他场所用上面的级别。"],
  drill: ["演练", "告警全程标记为演练，不计入统计。"],
  shadow: ["试运行", "照常判断但不告警：只在节点上计数、记录并各留一张遮挡画面，用于正式启用前试验。"],
  detector: ["检测器", "使用节点上 `detectors` 中的哪一个。"],
  schedule: ["生效时段", "什么时候可以告警；空为全天。停留时间只在时段内累计，已有的告警会跟到结束。"],
  zone: ["监测区域", "按顺序的各个角，至少 3 个，边不能相交。"],
  exclude_zones: ["排除区", "区域内不算数的部分：屏幕、摇晃的树等。"],
  line: ["警戒线", "两个点；先后决定哪边是左。"],
  view: ["预置位", "区域是在哪个预置位画的；多预置位的摄像机必填，其他留空。"],
  dwell_s: ["持续时间", "情况要持续多少秒才告警。"],
  clear_after_s: ["消除确认", "看到情况消失多少秒后结束告警。"],
  gap_tolerance_s: ["允许间断", "两次查看之间最长多少秒仍算连续；更长的间断不累计停留也不算消除。"],
  view_lost_after_s: ["失去画面", "告警期间看不到超过这么多秒，按“失去画面”结束，不算已消除。"],
  cooldown_s: ["冷却", "告警结束后多少秒内不再告警；之后仍存在的会告警。"],
  classes: ["计入的目标", "检测器的哪些类别算数。"],
  min_scores: ["最低置信度", "各类别的目标置信度达到多少才采信；未列出的用检测器自己的门槛。"],
  min_height: ["最小高度", "目标高度小于画面高度的这个比例不算；0 为都算。"],
  heights: ["远近高度", "目标在远处和近处应有的高度，差太多的不算；空为不限。"],
  min_cover: ["最小占用", "区域至少被占用的比例（按地面）；降到一半以下才算腾空。"],
  any_object: ["任何物体", "检测器叫不出名字的物体也算：相对长期背景持续改变且不是人的部分。"],
  min_changed: ["最小变化", "区域中至少这个比例持续改变才算。"],
  max_changed: ["最大变化", "一次改变超过这个比例视为光线变化，不算物体。"],
  appears_within_s: ["出现时间", "各部分须在这么多秒内出现：掉落物是一下子有的，影子是慢慢移的。"],
  raise_at_count: ["告警人数", "区域内达到多少人算聚集。"],
  clear_at_count: ["消除人数", "降到多少人及以下算散去，须小于告警人数。"],
  severe_at_count: ["升级人数", "达到多少人时级别升高一级；空为不升级。"],
  smooth_s: ["平滑时间", "取这么多秒内四分之一的查看都达到的人数；0 为每次单独算。"],
  tiles: ["分块查看", "人小又密时把区域分块再看一遍，多用检测时间。auto：有半数人时才分块；always：总是；never：从不。"],
  ground: ["地面标定", "画面上的点在地面的位置；有它才能按每平方米人数判断。"],
  levels: ["密度等级", "每平方米人数的三个等级，只在有地面标定时起作用。"],
  needed_looks: ["需要次数", "最近若干次查看中至少有这么多次看到才算。"],
  of_looks: ["查看次数", "最近多少次查看。"],
  min_flicker: ["最小闪动", "目标边缘几秒内的移动占自身大小的比例；灯和招牌不动。0 为不要求。"],
  min_growth: ["最小增大", "或者：比刚看到时增大这么多。烟会飘散变大。"],
  max_box: ["最大目标", "占画面超过这个比例的目标不告警：雾、眩光、镜头起雾。"],
  fault: ["故障类型", "offline：没有画面。view：画面故障中的任何一种；其余为指定的一种。"],
  offline_after_s: ["离线时间", "故障类型为 offline 时：多少秒没有画面即告警。"],
  view_after_s: ["故障时间", "其他故障类型时：画面故障持续多少秒即告警。"],
  direction: ["方向", "越线：沿线从第一点看向第二点时哪个方向算数。逆行：允许的方向，从第一点指向第二点。"],
  band: ["越线余量", "越过线多远（占画面高度的比例）才算过线，以免抖动。"],
  min_distance: ["最小距离", "须逆向移动多远，占画面高度的比例。"],
  max_angle_deg: ["最大夹角", "路径与正逆向的夹角上限：横穿的不算。"],
};

const ENGLISH: Record<string, string> = {
  dwell_s: "Dwell",
  clear_after_s: "Clear after",
  gap_tolerance_s: "Gap tolerance",
  view_lost_after_s: "View lost after",
  cooldown_s: "Cooldown",
  look_every_s: "Look every",
  smooth_s: "Smoothing",
  tiles: "Look in tiles",
  appears_within_s: "Appears within",
  offline_after_s: "Offline after",
  view_after_s: "View fault after",
  max_angle_deg: "Largest angle",
  classes: "Counted objects",
  view: "View (preset)",
};

/** Shares of a zone, a box or the picture's height: 0 to 1. */
const SHARES = new Set(
  "min_height min_cover min_changed max_changed min_flicker min_growth max_box band min_distance".split(" "),
);
const PEOPLE = new Set(["raise_at_count", "clear_at_count", "severe_at_count"]);


export function settingName(name: string): string {
  if (isChinese.value) return CHINESE[name]?.[0] ?? name;
  const words = name.replaceAll("_", " ");
  return ENGLISH[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

/** `help`: as the schema has it, English. */
export function settingHelp(name: string, help: string): string {
  return isChinese.value ? (CHINESE[name]?.[1] ?? help) : help;
}

export function unitOf(name: string): string {
  if (name.endsWith("_s")) return isChinese.value ? "秒" : "s";
  if (name.endsWith("_deg")) return "°";
  if (SHARES.has(name)) return isChinese.value ? "比例 0–1" : "share 0–1";
  if (PEOPLE.has(name)) return isChinese.value ? "人" : "people";
  return name.endsWith("_looks") ? (isChinese.value ? "次" : "looks") : "";
}
