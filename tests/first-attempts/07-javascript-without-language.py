# fails: SyntaxError
# hint: say that its language is `javascript`
const { orders } = await listOrders();
console.log(orders.length);
