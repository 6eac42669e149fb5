// gives: [1, 2, 3]
import { getOrder } from "servers/demo";

interface Order { id: number; status: string; items: number }

const orders: Order[] = await Promise.all([1, 2, 3].map(async (id) => (await getOrder({ id })) as Order));
orders.map((order) => order.id)
