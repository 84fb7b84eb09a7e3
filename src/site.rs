//! What each path answers.

use crate::http::{Head, Method, Response, Status, Target};
use crate::limits::Limits;

/// Everything about this server that an answer depends on. It does not change while it runs.
#[derive(Debug, Default)]
pub struct Site {
    /// The limits that clients are held to.
    pub limits: Limits,
}

impl Site {
    /// The answer to one well-formed request.
    #[must_use]
    pub fn answer(&self, head: &Head<'_>) -> Response {
        let target = match Target::parse(head.target) {
            Ok(target) => target,
            Err(error) => return Response::text(Status::BadRequest, error.to_string()),
        };
        match (target.path.as_str(), head.method) {
            ("/", Method::Get | Method::Head) => {
                Response::text(Status::Ok, "Barewire is listening.")
            }
            ("/", _) => method_not_allowed("GET, HEAD"),
            _ => Response::text(Status::NotFound, "there is nothing here: try /"),
        }
    }
}

/// RFC 9110 section 15.5.6: 405 names the methods that would do.
fn method_not_allowed(allowed: &'static str) -> Response {
    let text = format!("this path answers {allowed}");
    Response::text(Status::MethodNotAllowed, text).with("Allow", allowed)
}
