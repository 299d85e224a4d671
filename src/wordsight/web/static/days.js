// Days and months as people write them.

const format = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
const FULL = format({ weekday: "short", day: "numeric", month: "long", year: "numeric" });
const SHORT = format({ day: "numeric", month: "short", year: "numeric" });
const SHORTEST = format({ day: "numeric", month: "short" });
const MONTH = format({ month: "long", year: "numeric" });

/** The date that text names, or null where there is no such day. */
const date = (day) => {
  const [year, month = 1, on = 1] = day.split(/[-T ]/).map(Number);
  const made = new Date(Date.UTC(year, month - 1, on));
  return made.getUTCFullYear() === year && made.getUTCMonth() === month - 1 && made.getUTCDate() === on ? made : null;
};

/** A day such as 2024-05-17 in words, in a room of so many pixels. */
export function dayLabel(day, room = Infinity) {
  const found = day && date(day);
  if (!found) return day || "No date";
  return (room > 200 ? FULL : room > 110 ? SHORT : SHORTEST).format(found);
}

/** The month of a day in words. */
export function monthLabel(day) {
  const found = day && date(day);
  return found ? MONTH.format(found) : day || "No date";
}

/** When a picture was taken, with the time where it is known. */
export function momentLabel(taken) {
  const time = taken.match(/[T ](\d\d:\d\d)/)?.[1];
  return time && time !== "00:00" ? `${dayLabel(taken.slice(0, 10))}, ${time}` : dayLabel(taken.slice(0, 10));
}
