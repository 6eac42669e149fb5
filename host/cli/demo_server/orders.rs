//! A table of orders, made up by arithmetic: order 7 is the same on every
//! machine, and nothing has to be stored.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Definition};

/// Orders have the ids 1 to this.
const COUNT: u64 = 10_000;

/// When the first order was placed: the start of 2025.
const START: i64 = 1_735_689_600;

/// Orders come this many seconds apart, more or less: a year of them.
const INTERVAL: u64 = 3_150;

const COUNTRIES: &[(&str, &str)] = &[
    ("AU", "AUD"),
    ("BR", "BRL"),
    ("CA", "CAD"),
    ("DE", "EUR"),
    ("FR", "EUR"),
    ("GB", "GBP"),
    ("IN", "INR"),
    ("JP", "JPY"),
    ("SE", "SEK"),
    ("US", "USD"),
];

const FIRST_NAMES: &[&str] = &[
    "Ada",
    "Alan",
    "Barbara",
    "Claude",
    "Donald",
    "Edsger",
    "Frances",
    "Grace",
    "Hedy",
    "John",
    "Katherine",
    "Ken",
    "Leslie",
    "Margaret",
    "Niklaus",
    "Radia",
    "Robin",
    "Sophie",
    "Tim",
    "Zuse",
];

const LAST_NAMES: &[&str] = &[
    "Abe",
    "Berg",
    "Costa",
    "Dubois",
    "Evans",
    "Fischer",
    "García",
    "Hansen",
    "Ito",
    "Jansen",
    "Kumar",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Patel",
    "Quinn",
    "Rossi",
    "Silva",
    "Tanaka",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Paid,
    Shipped,
    Delivered,
    Returned,
    Cancelled,
}

#[derive(Debug, PartialEq, Serialize)]
struct Order {
    id: u64,
    customer: String,
    country: &'static str,
    status: Status,
    items: u64,
    amount: f64,
    currency: &'static str,
    placed_at: String,
}

impl Order {
    fn generate(id: u64) -> Self {
        let mut random = Random(id);
        let first = random.pick(FIRST_NAMES);
        let last = random.pick(LAST_NAMES);
        let (country, currency) = random.pick(COUNTRIES);
        let status = match random.below(100) {
            0..20 => Status::Paid,
            20..50 => Status::Shipped,
            50..85 => Status::Delivered,
            85..93 => Status::Returned,
            _ => Status::Cancelled,
        };
        let items = 1 + random.below(8);
        // Many small orders, few large ones: from 5.00 to about 1,000.
        let cents = 500 + items * random.below(100).pow(2) * 5 / 4 + random.below(100);
        let seconds = (id - 1) * INTERVAL + random.below(INTERVAL);
        let moment = jiff::Timestamp::constant(START, 0)
            + jiff::SignedDuration::from_secs(seconds.cast_signed());
        Self {
            id,
            customer: format!("{first} {last}"),
            country,
            status,
            items,
            amount: cents as f64 / 100.0,
            currency,
            placed_at: moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// SplitMix64: a few instructions, and every id starts a sequence of its own.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    status: Option<Status>,
    country: Option<String>,
    customer: Option<String>,
    min_amount: Option<f64>,
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

impl Filter {
    fn matches(&self, order: &Order) -> bool {
        let contains = |part: &String| order.customer.to_lowercase().contains(&part.to_lowercase());
        self.status.is_none_or(|status| status == order.status)
            && self
                .country
                .as_ref()
                .is_none_or(|country| country.eq_ignore_ascii_case(order.country))
            && self.customer.as_ref().is_none_or(contains)
            && self.min_amount.is_none_or(|amount| order.amount >= amount)
    }
}

pub(super) fn list_definition() -> Definition {
    let countries: Vec<_> = COUNTRIES.iter().map(|(country, _)| country).collect();
    Definition {
        name: "list_orders",
        description: "Orders by id, optionally filtered; all 10,000 of them unless `limit` says otherwise.",
        input: json!({
            "type": "object",
            "properties": {
                "status": status_schema(),
                "country": { "type": "string", "enum": countries },
                "customer": { "type": "string", "description": "a part of the customer's name" },
                "min_amount": { "type": "number", "minimum": 0, "description": "in the order's currency" },
                "limit": { "type": "integer", "minimum": 1, "maximum": COUNT, "description": "how many to answer with; all by default" },
                "offset": { "type": "integer", "minimum": 0, "default": 0, "description": "how many matching orders to skip" },
            },
            "additionalProperties": false,
        }),
        output: json!({
            "type": "object",
            "properties": {
                "orders": { "type": "array", "items": order_schema() },
                "total": { "type": "integer", "description": "orders that match, whatever `limit` says" },
                "next_offset": { "type": ["integer", "null"], "description": "where to go on; null at the end" },
            },
            "required": ["orders", "total", "next_offset"],
            "additionalProperties": false,
        }),
    }
}

pub(super) fn list(filter: Filter) -> (String, Value) {
    let limit = filter.limit.unwrap_or(usize::MAX);
    let mut total = 0;
    let mut orders = Vec::new();
    for order in (1..=COUNT).map(Order::generate) {
        if filter.matches(&order) {
            if total >= filter.offset && orders.len() < limit {
                orders.push(order.to_json());
            }
            total += 1;
        }
    }
    let end = filter.offset.saturating_add(orders.len());
    let next_offset = (end < total && !orders.is_empty()).then_some(end);
    let summary = format!("{} of {total} orders", orders.len());
    let content = json!({ "orders": orders, "total": total, "next_offset": next_offset });
    (summary, content)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Id {
    id: u64,
}

pub(super) fn get_definition() -> Definition {
    Definition {
        name: "get_order",
        description: "One order.",
        input: json!({
            "type": "object",
            "properties": { "id": { "type": "integer", "minimum": 1, "maximum": COUNT } },
            "required": ["id"],
            "additionalProperties": false,
        }),
        output: order_schema(),
    }
}

pub(super) fn get(Id { id }: Id) -> Answer {
    if !(1..=COUNT).contains(&id) {
        return Err(format!("there is no order {id}; the ids are 1 to {COUNT}"));
    }
    let order = Order::generate(id);
    let summary = format!("order {id}: {} {}", order.amount, order.currency);
    Ok((summary, order.to_json()))
}

fn status_schema() -> Value {
    json!({ "type": "string", "enum": ["paid", "shipped", "delivered", "returned", "cancelled"] })
}

fn order_schema() -> Value {
    let properties = json!({
        "id": { "type": "integer" },
        "customer": { "type": "string" },
        "country": { "type": "string", "description": "ISO 3166 code" },
        "status": status_schema(),
        "items": { "type": "integer" },
        "amount": { "type": "number" },
        "currency": { "type": "string", "description": "ISO 4217 code" },
        "placed_at": { "type": "string", "format": "date-time" },
    });
    let required: Vec<_> = properties
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .collect();
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(arguments: Value) -> Value {
        list(serde_json::from_value(arguments).unwrap()).1
    }

    #[test]
    fn an_order_is_the_same_on_every_machine() {
        let (_, order) = get(Id { id: 7 }).unwrap();
        assert_eq!(
            order,
            json!({
                "id": 7,
                "customer": "Grace Evans",
                "country": "IN",
                "status": "paid",
                "items": 3,
                "amount": 6.91,
                "currency": "INR",
                "placed_at": "2025-01-01T06:04:42Z",
            })
        );
        assert_eq!(
            get(Id { id: 0 }).unwrap_err(),
            "there is no order 0; the ids are 1 to 10000"
        );
        assert!(get(Id { id: COUNT + 1 }).is_err());
    }

    #[test]
    fn the_table_is_whole_and_in_order() {
        let all = filter(json!({}));
        let orders = all["orders"].as_array().unwrap();
        assert_eq!(
            (orders.len(), &all["total"], &all["next_offset"]),
            (10_000, &json!(10_000), &Value::Null)
        );
        assert!(orders.is_sorted_by_key(|order| order["id"].as_u64()));
        assert!(orders.is_sorted_by_key(|order| order["placed_at"].as_str()));
        let last = orders[9_999]["placed_at"].as_str().unwrap();
        assert!(last.starts_with("2025-12-31"), "{last}");
    }

    #[test]
    fn filters_narrow_and_pages_go_on() {
        let all = filter(json!({}))["orders"].as_array().unwrap().clone();
        let expected: Vec<_> = all
            .into_iter()
            .filter(|order| order["status"] == "returned" && order["country"] == "DE")
            .collect();
        assert!(expected.len() > 50);
        let mut found = Vec::new();
        let mut offset = json!(0);
        while !offset.is_null() {
            let page = filter(
                json!({ "status": "returned", "country": "de", "limit": 20, "offset": offset }),
            );
            assert_eq!(page["total"], expected.len());
            found.extend(page["orders"].as_array().unwrap().clone());
            offset = page["next_offset"].clone();
        }
        assert_eq!(found, expected);
        assert_eq!(filter(json!({ "offset": 10_000 }))["orders"], json!([]));
        assert_eq!(filter(json!({ "customer": "nobody" }))["total"], 0);
    }
}
