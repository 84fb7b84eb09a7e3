//! The JavaScript client at `/`: a page that is embedded, filled in once at the start, and allowed
//! to do nothing but what it says.
//!
//! What to notice:
//! * The page learns what this server offers from `<meta>` elements, so its scripts are the same
//!   bytes everywhere and the policy can name them by their hashes.
//! * Everything put in is escaped, though all of it comes from the command line.
//! * The policy has no `unsafe-inline`: a string from the network that did become HTML could still
//!   not run.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::channel::AWAKE;
use crate::http::{Response, Status};
use crate::site::{PublishPolicy, Site};

const PAGE: &str = include_str!("page.html");

/// W3C CSP level 3: `connect-src 'self'` covers WebSockets to the page's own host and port. The
/// three hashes are of what stands between the tags; a test computes them anew.
const POLICY: &str = "default-src 'none'; \
    script-src 'sha256-G1XndtT7jQxn4oAnB3KfpK8beMKA0FTF6PYnN/KG+1U=' 'sha256-MgrzkaCjNHLdJiFRYoqOf2+nB7MN4C9cuercExismhE='; \
    style-src 'sha256-tDLG9UMczuWEbDuujCJfIQZtIKa0UIvdq3BitoffSKI='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer to `GET /`, where the server is reached at `url`.
#[must_use]
pub fn page(site: &Site, url: &str) -> Response {
    let page = PAGE.replace("{{meta}}", meta(site).trim_end()).replace("{{url}}", &escaped(url));
    // Once for the process, which never lets go of it: no answer needs a copy of its own.
    let body: &'static [u8] = page.leak().as_bytes();
    Response::new(Status::Ok, "text/html; charset=utf-8", Cow::Borrowed(body))
        .with("Content-Security-Policy", POLICY)
        .with("Referrer-Policy", "no-referrer")
        .with("Cache-Control", "no-cache")
}

/// What this server offers, one element each.
fn meta(site: &Site) -> String {
    let mut elements = String::new();
    let mut put = |name: &str, content: &str| {
        let content = escaped(content);
        // Writing to a String cannot fail.
        let _ = writeln!(elements, "<meta name=\"barewire:{name}\" content=\"{content}\">");
    };
    put("bus", if site.has_redis { "redis" } else { "memory" });
    for channel in site.default_channels().iter().filter(|channel| channel.as_str() != AWAKE) {
        put("channel", channel.as_str());
    }
    if let Some(every) = site.awake {
        put("awake", &every.as_secs_f64().to_string());
    }
    put(
        "publish",
        match &site.publishing {
            // It is on another address, which this page may not ask.
            _ if site.has_admin => "off",
            PublishPolicy::Off => "off",
            PublishPolicy::FromThisMachine => "open",
            PublishPolicy::WithToken(_) => "token",
        },
    );
    if site.echo {
        put("echo", "on");
    }
    elements
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '-' => safe.push_str("&#45;"), // two of them would end the comment at the top
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::channel::Glob;

    fn text(site: &Site) -> String {
        String::from_utf8(page(site, "http://localhost:8080/").body.into_owned()).unwrap()
    }

    fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
        page.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    #[test]
    fn the_policy_names_exactly_the_scripts_and_the_style_that_are_there() {
        let page = text(&Site::default());
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("<style").count(), 1);
        for (start, end) in [
            ("<script id=\"client\">", "</script>"),
            ("<script id=\"instrument\">", "</script>"),
            ("<style>", "</style>"),
        ] {
            let hash = STANDARD.encode(Sha256::digest(between(&page, start, end)));
            assert!(POLICY.contains(&hash), "{start} now has 'sha256-{hash}': write it to POLICY");
        }
        assert!(!POLICY.contains("unsafe"));
    }

    #[test]
    fn nothing_is_fetched_from_anywhere_else() {
        for sign in ["src=\"http", "src='http", "@import", "url(", "<link rel=\"stylesheet"] {
            assert!(!PAGE.contains(sign), "{sign}");
        }
    }

    #[test]
    fn the_first_lines_are_the_curl_command_that_upgrades() {
        let page = text(&Site::default());
        let command = between(&page, "<!--", "-->");
        assert!(command.contains("curl -i -s --header \"Connection: Upgrade\""), "{command}");
        assert!(command.trim_end().ends_with(" http://localhost:8080/"), "{command}");
    }

    #[test]
    fn what_is_offered_is_said_and_escaped() {
        let channels = ["ruby", "a\"><script>-->", "news.*"].map(|name| Glob::new(name).unwrap());
        let site =
            Site { channels: channels.into(), has_redis: true, echo: false, ..Site::default() };
        assert_eq!(
            meta(&site),
            "<meta name=\"barewire:bus\" content=\"redis\">\n\
             <meta name=\"barewire:channel\" content=\"ruby\">\n\
             <meta name=\"barewire:channel\" content=\"a&quot;&gt;&lt;script&gt;&#45;&#45;&gt;\">\n\
             <meta name=\"barewire:awake\" content=\"5\">\n\
             <meta name=\"barewire:publish\" content=\"open\">\n"
        );
    }
}
