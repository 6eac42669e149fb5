# fails: SyntaxError
# hint: pass `language`: "javascript"
const { orders } = await listOrders();
console.log(orders.length);
