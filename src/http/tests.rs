//! Laws: heads and bodies that nobody wrote down, against others who read the same bytes.
//!
//! What to notice:
//! * The oracle for heads is `httparse`, which reads the requests of half the Rust world: whatever is
//!   accepted here, it reads in the same way. What two parsers read differently is smuggling.
//! * The oracle for chunks is the pseudo-code of the RFC, over bytes that are all there.
//! * An oracle is worth what it is asked, so the generators are tested too: about half of what they
//!   make is accepted, it is odd in every way that is allowed, and the rest breaks nearly every rule.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

type Bytes = BoxedStrategy<Vec<u8>>;

fn one_of(texts: &'static [&'static [u8]]) -> Bytes {
    prop::sample::select(texts).prop_map(<[u8]>::to_vec).boxed()
}

fn text(regex: &str) -> Bytes {
    prop::string::bytes_regex(regex).unwrap().boxed()
}

fn all(parts: Vec<Bytes>) -> Bytes {
    parts.prop_map(|parts| parts.concat()).boxed()
}

/// `usual` so many times for each time one of the others.
fn but_for(usual: Bytes, times: u32, others: &'static [&'static [u8]]) -> Bytes {
    prop_oneof![times => usual, 1 => one_of(others)].boxed()
}

fn line_end() -> Bytes {
    but_for(one_of(&[b"\r\n"]), 200, &[b"\n", b"\r", b"\r\r\n", b"\n\r", b""])
}

/// Something behind it, and in some of them bytes that are changed, inserted, doubled or removed.
fn edited(bytes: Bytes) -> Bytes {
    let behind = prop::collection::vec(any::<u8>(), 0..12);
    let special = prop::sample::select(&b"\r\n\t :,;0\0\x7f\x80\xff#/"[..]);
    let edit = (0..4_u8, any::<Index>(), prop_oneof![special, any::<u8>()]);
    let edits = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(edit, 1..3)];
    let made = (bytes, behind, edits).prop_map(|(bytes, behind, edits)| {
        let mut bytes = [bytes, behind].concat();
        for (kind, at, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.insert(at, bytes[at]),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    });
    made.boxed()
}

/// Where to cut these bytes.
fn places(cuts: &[Index], bytes: &[u8]) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

// ---- Heads ----

type Parsed<'a> = Result<Option<(Head<'a>, usize)>, HttpError>;

fn whole(bytes: &[u8]) -> Parsed<'_> {
    parse(bytes, &mut Scan::default(), &HeadLimits::default())
}

/// A request line with what may stand before it.
fn any_request_line() -> Bytes {
    let method = text("(GET|HEAD|POST|PUT|PATCH|TRACE|DELETE|OPTIONS) ");
    let host = r"([a-z0-9._~-]{1,5}|\[::[0-9a-f]{1,4}\])";
    let path = r"/[a-zA-Z0-9%._~!$&'()*+,;=:@/-]{0,12}(\?[a-z0-9%{}|\\^`/?\[\]&=]{0,12})?";
    let absolute = format!("[hH][tT][tT]p://{host}(:[0-9]{{0,4}})?({path})?");
    let asked = prop_oneof![
        8 => all(vec![method.clone(), text(path)]),
        2 => all(vec![method.clone(), text(&absolute)]),
        1 => one_of(&[b"OPTIONS *"]),
        1 => text(&format!("CONNECT {host}:[0-9]{{1,4}}")),
        1 => all(vec![method, text(r"[!-~\x80-\xff]{0,6}")]),
        1 => text("[!-~]{1,6} /"),
    ];
    let before = one_of(&[b"", b"", b"", b"\r\n", b"\r\n\r\n"]);
    let version = one_of(&[b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.9"]);
    all(vec![
        but_for(before, 60, &[b"\n", b" ", b"\r", b"\r\n\r\n\r\n"]),
        asked.boxed(),
        but_for(one_of(&[b" "]), 60, &[b"  ", b"\t", b"\x0b", b""]),
        but_for(version, 40, &[b"http/1.1", b"HTTP/1.10", b"HTTP/2.0", b"HTTP/1", b"ICAP/1.0"]),
        line_end(),
    ])
}

/// What breaks a head, in place of a field line.
#[rustfmt::skip]
const NO_FIELDS: &[&[u8]] = &[
    b" folded", b"\tfolded", b"X", b": x", b"X : y", b"X\t: y", b"X Y: z", b"(): x", b"X\xa0: y",
    b"\xffX: y", b"X: \0", b"X: \x7f", b"X: y\rZ: a", b"X: y\nZ: a", b"Host: b", b"Expect: x",
    b"Content-Length: +1", b"Content-Length: 5, 5", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: \x0bchunked",
];

fn any_field() -> Bytes {
    let name = "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}";
    let value = r"([!-~\x80-\xff]([ \t,]{0,2}[!-~\x80-\xff]){0,6})?";
    let known = "([cC]onnection: ?(close|upgrade|keep-alive|,)(, close)?|Upgrade:.{0,9}|\
                 Expect: (100-[cC]ontinue)?|Content-Length:[ \t]*[0-9]{1,20}|\
                 Transfer-Encoding: [cC]hunked)";
    let any = text(&format!("{name}:[ \t]{{0,2}}{value}[ \t]{{0,2}}"));
    let line = prop_oneof![6 => any, 2 => text(known)];
    all(vec![but_for(line.boxed(), 24, NO_FIELDS), line_end()])
}

/// Heads that are odd in every way that is allowed, and many also in one that is not.
fn any_head() -> Bytes {
    let host = one_of(&[b"Host: a.test", b"HOST:a", b"host:\t[::1]:80 ", b"hOsT: a_b-c.d~e:"]);
    let host = but_for(host, 30, &[b"", b"Host:", b"Host: a b", b"Host: a,b"]);
    let fields = prop_oneof![
        9 => prop::collection::vec(any_field(), 0..6),
        1 => (any_field(), 90_usize..110).prop_map(|(field, times)| vec![field; times]),
    ];
    let host = all(vec![host, line_end()]);
    let head = (any_request_line(), fields, host, any::<Index>(), line_end());
    let head = head.prop_map(|(line, mut fields, host, at, end)| {
        fields.insert(at.index(fields.len() + 1), host);
        [line, fields.concat(), end].concat()
    });
    edited(head.boxed())
}

/// Panics unless `httparse` reads an accepted head in the same way: the same length, method, target
/// and version, and each field's name and value, byte for byte.
///
/// The exceptions, all of them:
/// * HTTP/1.2 to 1.9 are read as 1.1, as RFC 9110 section 2.5 says; `httparse` refuses them. So it is
///   given the same head with a 1.
fn compare_with_httparse(bytes: &[u8], head: &Head<'_>, used: usize) {
    let mut bytes = bytes.to_vec();
    let minor = bytes.windows(2).position(|two| two[0] > b' ' && two[1] == b'\r').unwrap();
    if bytes[minor] > b'1' {
        bytes[minor] = b'1';
    }
    let shown = bytes.escape_ascii().to_string();
    let mut space = [httparse::EMPTY_HEADER; 128];
    let mut other = httparse::Request::new(&mut space);
    let parsed = other.parse(&bytes);
    assert_eq!(parsed, Ok(httparse::Status::Complete(used)), "{shown}");
    assert_eq!(other.method, Some(&*head.method.to_string()), "{shown}");
    assert_eq!(other.path, Some(head.target), "{shown}");
    assert_eq!(other.version, Some(u8::from(head.version == Version::Http11)), "{shown}");
    let theirs: Vec<_> = other.headers.iter().map(|h| (h.name.as_bytes(), h.value)).collect();
    assert_eq!(theirs, head.fields.iter().collect::<Vec<_>>(), "{shown}");
}

/// In which ways an accepted head is odd.
fn oddities(bytes: &[u8], head: &Head<'_>, used: usize) -> Vec<&'static str> {
    let any = |wanted: fn(&[u8]) -> bool| head.fields.iter().any(|(_, value)| wanted(value));
    let holds = |what: &[u8]| bytes[..used].windows(what.len()).any(|part| part == what);
    let all = [
        (bytes.starts_with(b"\r\n"), "an empty line before it"),
        (head.target == "*", "asterisk-form"),
        (head.method == Method::Connect, "authority-form"),
        (head.target.contains("://"), "absolute-form"),
        (head.target.contains(['{', '|', '\\', '^']), "more than RFC 3986 in its query"),
        (head.version == Version::Http10, "HTTP/1.0"),
        (holds(b" HTTP/1.9\r\n"), "HTTP/1.9"),
        (any(<[u8]>::is_empty), "an empty value"),
        (any(|value| !value.is_ascii()), "not ASCII in a value"),
        (any(|value| value.contains(&b'\t')), "a tab in a value"),
        (any(|value| value.contains(&b':')), "a colon in a value"),
        (holds(b" \r\n") || holds(b"\t\r\n"), "white space behind a value"),
        (holds(b":\t"), "a tab before a value"),
        (head.fields.iter().count() > 90, "many fields"),
        (head.framing == Framing::Chunked, "chunks"),
        (head.expects_continue, "an expectation"),
        (used < bytes.len(), "something behind it"),
    ];
    all.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| *what).collect()
}

/// How often each thing was seen.
type Counts = BTreeMap<String, usize>;

fn count(counts: &mut Counts, what: impl ToString) {
    *counts.entry(what.to_string()).or_default() += 1;
}

#[test]
fn the_generator_of_heads_is_hostile_and_half_of_them_are_accepted() {
    let mut runner = TestRunner::deterministic();
    let heads = any_head();
    let (mut accepted, mut odd, mut refused) = (0, Counts::new(), Counts::new());
    for _ in 0..4000 {
        let bytes = heads.new_tree(&mut runner).unwrap().current();
        match whole(&bytes) {
            Ok(Some((head, used))) => {
                accepted += 1;
                oddities(&bytes, &head, used).into_iter().for_each(|what| count(&mut odd, what));
            }
            Ok(None) => {}
            Err(error) => count(&mut refused, format!("{error:?}")),
        }
    }
    println!("accepted: {accepted} of 4000, {odd:#?}\nrefused: {refused:#?}");
    assert!((1600..2400).contains(&accepted), "{accepted} of 4000 are accepted");
    odd.retain(|_, times| *times >= 15);
    assert_eq!(odd.len(), 17, "accepted are only heads with {odd:#?}");
    assert!(refused.len() > 30, "only {} rules are broken: {refused:#?}", refused.len());
}

// ---- Chunked bodies ----

/// What is collected from these pieces: the content, how many bytes were taken, whether it is all.
fn collect<'a>(
    max_bytes: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, usize, bool), HttpError> {
    let mut body = Body::new(Framing::Chunked, max_bytes)?;
    let mut taken = 0;
    for piece in pieces {
        taken += body.receive(piece)?.0;
    }
    let (_, is_complete) = body.receive(b"")?;
    Ok((body.into_bytes(), taken, is_complete))
}

/// RFC 9112 section 7.1.3 as it is written there: the content, how many bytes were read, and whether
/// there were neither extensions nor trailers, whose grammar is not looked at. `None` if the bytes end
/// too early or are no chunks.
fn decode(bytes: &[u8]) -> Option<(Vec<u8>, usize, bool)> {
    let mut rest = bytes;
    let mut content = Vec::new();
    let mut is_plain = true;
    loop {
        let size = read_line(&mut rest)?;
        is_plain &= !size.contains(';');
        let size = size.split(';').next()?;
        if size.is_empty() || size.len() > 16 || !size.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return None;
        }
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        content.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    while !read_line(&mut rest)?.is_empty() {
        is_plain = false;
    }
    Some((content, bytes.len() - rest.len(), is_plain))
}

/// Everything to the next CR LF, in which no CR or LF stands alone; as Latin-1.
fn read_line(rest: &mut &[u8]) -> Option<String> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    let is_one = !line.contains(&b'\r') && !line.contains(&b'\n');
    is_one.then(|| line.iter().copied().map(char::from).collect())
}

/// What breaks a chunk, in place of its size.
#[rustfmt::skip]
const NO_SIZES: &[&[u8]] = &[
    b"", b" 1", b"1 ", b"0x1", b"+1", b"-1", b"1_0", b"g", b"ffffffffffffffff", b"8000000000000000",
    b"10000000000000001", b"00000000000000001", b"1;", b"1;;", b"1;a=", b"1;a=\"", b"1;\n",
];

fn any_chunk() -> Bytes {
    // Data that looks like what stands around it.
    let data = prop::collection::vec(
        prop_oneof![4 => prop::sample::select(&b"\r\n0;:15a"[..]), 1 => any::<u8>()],
        1..20,
    );
    let extension = one_of(&[b";a", b";a=b;c", b";a=\"\\\";0\"", b"; a = b ;c"]);
    let extension = prop_oneof![5 => Just(Vec::new()), 1 => extension];
    let parts = (data, 0..4_u8, extension, line_end(), line_end());
    let right = parts.prop_map(|(data, spelling, extension, end, other_end)| {
        let size = match spelling {
            0 => format!("{:x}", data.len()),
            1 => format!("{:X}", data.len()),
            2 => format!("{:02x}", data.len()),
            _ => format!("{:016X}", data.len()),
        };
        [size.into_bytes(), extension, end, data, other_end].concat()
    });
    let wrong = all(vec![one_of(NO_SIZES), one_of(&[b"\r\na\r\n"])]);
    prop_oneof![40 => right, 1 => wrong].boxed()
}

fn any_chunks() -> Bytes {
    let chunks = prop::collection::vec(any_chunk(), 0..6).prop_map(|chunks| chunks.concat());
    let last = one_of(&[b"0\r\n", b"0\r\n", b"000\r\n", b"0;a\r\n", b"0;a=\"b\"\r\n"]);
    let trailers = one_of(&[b"", b"", b"", b"X: y\r\n", b"X:\r\nContent-Length: 5\r\n"]);
    edited(all(vec![
        chunks.boxed(),
        but_for(last, 40, &[b"0\n", b"\r\n", b"-0\r\n", b""]),
        but_for(trailers, 40, &[b"X\r\n", b" x\r\n", b"X: y\n", b"X : y\r\n", b": y\r\n"]),
        line_end(),
    ]))
}

const MAX_BYTES: usize = 50;

#[test]
fn the_generator_of_chunks_is_hostile_and_half_of_them_are_accepted() {
    let mut runner = TestRunner::deterministic();
    let bodies = any_chunks();
    let (mut accepted, mut plain, mut refused) = (0, 0, Counts::new());
    for _ in 0..4000 {
        let bytes = bodies.new_tree(&mut runner).unwrap().current();
        match collect(MAX_BYTES, [&*bytes]) {
            Ok((.., is_complete)) => {
                accepted += usize::from(is_complete);
                plain += usize::from(decode(&bytes).is_some_and(|(.., is_plain)| is_plain));
            }
            Err(error) => count(&mut refused, format!("{error:?}")),
        }
    }
    println!("accepted: {accepted} of 4000, {plain} of them plain; refused: {refused:#?}");
    assert!((1600..2800).contains(&accepted), "{accepted} of 4000 are accepted");
    assert!(plain > 600, "only {plain} have neither extensions nor trailers");
    refused.retain(|_, times| *times >= 4);
    assert!(refused.len() >= 8, "only these rules are broken: {refused:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_head_that_is_accepted_is_read_by_httparse_in_the_same_way(bytes in any_head()) {
        if let Ok(Some((head, used))) = whole(&bytes) {
            compare_with_httparse(&bytes, &head, used);
        }
    }

    #[test]
    fn a_head_is_read_in_the_same_way_however_it_is_cut(
        bytes in any_head(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        head_bytes in 1_usize..200,
    ) {
        let small = HeadLimits { head_bytes, fields: 3, request_line_bytes: 20 };
        for limits in [HeadLimits::default(), small] {
            let expected = parse(&bytes, &mut Scan::default(), &limits);
            let mut scan = Scan::default();
            let ends = places(&cuts, &bytes).into_iter().chain([bytes.len()]);
            let mut parsed = ends.map(|end| parse(&bytes[..end], &mut scan, &limits));
            let parsed = parsed.find(|parsed| *parsed != Ok(None)).unwrap_or(Ok(None));
            prop_assert_eq!(parsed, expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn chunks_that_are_accepted_are_what_the_rfc_decodes(bytes in any_chunks()) {
        let shown = bytes.escape_ascii().to_string();
        let decoded = decode(&bytes);
        match collect(MAX_BYTES, [&*bytes]) {
            Ok((content, taken, true)) => {
                let (theirs, read, _) = decoded.expect(&shown);
                prop_assert_eq!((theirs, read), (content, taken), "{}", shown);
            }
            Ok((.., false)) => prop_assert_eq!(decoded, None, "{}", shown),
            // Without extensions and trailers, only what is too long is refused.
            Err(error) => if let Some((content, _, true)) = decoded {
                prop_assert_eq!(error, HttpError::BodyTooLarge, "{}", shown);
                prop_assert!(content.len() > MAX_BYTES, "{}", shown);
            },
        }
    }

    #[test]
    fn chunks_are_read_in_the_same_way_however_they_are_cut(
        bytes in any_chunks(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        max_bytes in 0_usize..60,
    ) {
        let expected = collect(max_bytes, [&*bytes]);
        prop_assert_eq!(&collect(max_bytes, bytes.chunks(1)), &expected);
        let mut start = 0;
        let ends = places(&cuts, &bytes).into_iter().chain([bytes.len()]);
        let pieces = ends.map(|end| &bytes[std::mem::replace(&mut start, end)..end]);
        prop_assert_eq!(collect(max_bytes, pieces), expected, "{}", bytes.escape_ascii());
    }

    #[test]
    fn no_bytes_harm_the_parsers(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Some((_, used))) = whole(&bytes) {
            prop_assert!(used <= bytes.len());
        }
        if let Ok((content, taken, _)) = collect(MAX_BYTES, [&*bytes]) {
            prop_assert!(content.len() <= taken && taken <= bytes.len());
        }
    }
}
