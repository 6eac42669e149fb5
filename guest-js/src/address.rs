//! URLs, for `URL` in `js/url.js`.

use url::{Url, quirks};

/// The parts of a URL, in the order `js/url.js` knows.
pub(crate) type Parts = Vec<String>;

/// Parses a URL, relative to `base` if there is one.
pub(crate) fn parse(url: &str, base: Option<&str>) -> Option<Parts> {
    let parsed = match base {
        Some(base) => Url::parse(base).ok()?.join(url).ok()?,
        None => Url::parse(url).ok()?,
    };
    Some(parts(&parsed))
}

/// Sets one part; `None` where the value is refused.
pub(crate) fn set(href: &str, part: &str, value: &str) -> Option<Parts> {
    let mut url = Url::parse(href).ok()?;
    let set = match part {
        "href" => {
            url = Url::parse(value).ok()?;
            Ok(())
        }
        "protocol" => quirks::set_protocol(&mut url, value),
        "username" => quirks::set_username(&mut url, value),
        "password" => quirks::set_password(&mut url, value),
        "host" => quirks::set_host(&mut url, value),
        "hostname" => quirks::set_hostname(&mut url, value),
        "port" => quirks::set_port(&mut url, value),
        "pathname" => {
            quirks::set_pathname(&mut url, value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, value);
            Ok(())
        }
        _ => Err(()),
    };
    set.ok()?;
    Some(parts(&url))
}

fn parts(url: &Url) -> Parts {
    [
        quirks::href(url),
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
        &quirks::origin(url),
    ]
    .into_iter()
    .map(str::to_owned)
    .collect()
}
