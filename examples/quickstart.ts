// The same in TypeScript: three lines out of 10,000 orders.
import { listOrders, now } from "servers/demo";

interface Order { id: number; country: string; status: string; items: number }

const [time, table] = await Promise.all([now(), listOrders()]);
const returned = (table.orders as Order[]).filter(order => order.status === "returned");

const countries = new Map<string, number>();
for (const { country } of returned) countries.set(country, (countries.get(country) ?? 0) + 1);
const most = [...countries].sort((a, b) => b[1] - a[1]).slice(0, 3);

console.log(`At ${time.utc} the demo server listed ${table.orders.length} orders.`);
console.log(`${returned.length} of them were returned, ${returned.reduce((sum, order) => sum + order.items, 0)} items in all.`);
console.log("Most came back from " + most.map(([country, count]) => `${country} (${count})`).join(", ") + ".");
