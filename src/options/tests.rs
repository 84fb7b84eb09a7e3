use super::*;
use crate::redis::Endpoint;

const CANARY: &str = "c4nary";

fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Command, String> {
    let args = ["barewire"].iter().chain(args).map(OsString::from);
    let env =
        |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
    parse(args, env).map_err(|usage| usage.to_string())
}

fn serve(args: &[&str], env: &[(&str, &str)]) -> Options {
    match run(args, env) {
        Ok(Command::Serve(options)) => *options,
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

fn publish(args: &[&str], env: &[(&str, &str)]) -> PublishOptions {
    match run(&[&["publish"], args].concat(), env) {
        Ok(Command::Publish(options)) => options,
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

fn globs(options: &Options) -> Vec<&str> {
    options.channels.iter().map(Glob::as_str).collect()
}

#[test]
fn without_anything_it_is_a_demo_with_the_defaults() {
    let options = serve(&[], &[]);
    assert_eq!(options.bind, ["127.0.0.1:8080".parse().unwrap()]);
    assert!(!options.port_alone);
    assert!(options.redis.is_none() && options.publish_token.is_none());
    assert_eq!(globs(&options), ["ruby"]);
    assert!(options.origins.is_empty());
    assert!(options.echo);
    assert_eq!(options.awake, Some(Duration::from_secs(5)));
    assert_eq!(options.max_connections, None);
    let sizes = [options.max_message_bytes, options.max_publish_bytes, options.backlog_bytes];
    assert_eq!(sizes, [65_536, 1_048_576, 2_097_152]);
    let times = [options.ping, options.idle_timeout, options.drain];
    assert_eq!(times, [25, 60, 10].map(Duration::from_secs));
}

#[test]
fn with_redis_all_is_off_until_asked_for() {
    let options = serve(&["--redis", "redis://localhost"], &[]);
    assert_eq!(
        options.redis.unwrap().endpoint,
        Endpoint::Tcp { host: "localhost".to_owned(), port: 6379 }
    );
    assert!(!options.echo);
    assert_eq!(options.awake, None);
    let asked = serve(&["--echo", "--awake", "7s"], &[("REDIS_URL", "redis://localhost")]);
    assert!(asked.redis.is_some() && asked.echo);
    assert_eq!(asked.awake, Some(Duration::from_secs(7)));
}

#[test]
fn without_redis_what_is_on_can_be_switched_off() {
    for off in ["off", "0s"] {
        assert_eq!(serve(&["--awake", off], &[]).awake, None);
        assert_eq!(serve(&[], &[("BAREWIRE_AWAKE", off)]).awake, None);
    }
    assert!(!serve(&[], &[("BAREWIRE_ECHO", "0")]).echo);
    assert!(serve(&["--echo"], &[("BAREWIRE_ECHO", "false")]).echo);
    assert_eq!(serve(&["--drain", "0s"], &[]).drain, Duration::ZERO);
}

#[test]
fn compression_is_off_until_asked_for_and_only_in_a_build_that_can() {
    assert!(!serve(&[], &[]).deflate);
    if cfg!(feature = "deflate") {
        assert!(serve(&["--deflate"], &[]).deflate);
        assert!(serve(&[], &[("BAREWIRE_DEFLATE", "1")]).deflate);
    } else {
        let refused = run(&["--deflate"], &[]).unwrap_err();
        assert!(refused.contains("--deflate: this binary cannot"), "{refused}");
    }
}

#[test]
fn every_flag_has_a_variable_that_it_beats() {
    type Shown = fn(&Options) -> String;
    let table: [(&str, &str, &str, &str, Shown); 15] = [
        ("--bind", "BAREWIRE_BIND", "127.0.0.1:1", "127.0.0.1:2", |o| format!("{:?}", o.bind)),
        ("--redis", "REDIS_URL", "redis://a", "redis://b", |o| format!("{:?}", o.redis)),
        ("--channel", "BAREWIRE_CHANNEL", "a", "b", |o| globs(o).join(",")),
        ("--origin", "BAREWIRE_ORIGIN", "http://a", "http://b", |o| origins(o).join(",")),
        ("--awake", "BAREWIRE_AWAKE", "1s", "2s", |o| format!("{:?}", o.awake)),
        ("--publish-token", "BAREWIRE_PUBLISH_TOKEN", "a", "b", |o| {
            format!("{:?}", o.publish_token.as_ref().map(|token| token.matches(b"a")))
        }),
        ("--admin-bind", "BAREWIRE_ADMIN_BIND", "[::1]:1", "[::1]:2", |o| {
            format!("{:?}", o.admin_bind)
        }),
        ("--on-gap", "BAREWIRE_ON_GAP", "keep", "close", |o| o.closes_on_gap.to_string()),
        ("--max-connections", "BAREWIRE_MAX_CONNECTIONS", "1", "2", |o| {
            format!("{:?}", o.max_connections)
        }),
        ("--max-message", "BAREWIRE_MAX_MESSAGE", "1k", "2k", |o| o.max_message_bytes.to_string()),
        ("--max-publish", "BAREWIRE_MAX_PUBLISH", "1k", "2k", |o| o.max_publish_bytes.to_string()),
        ("--backlog", "BAREWIRE_BACKLOG", "3m", "4m", |o| o.backlog_bytes.to_string()),
        ("--ping", "BAREWIRE_PING", "1s", "2s", |o| format!("{:?}", o.ping)),
        ("--idle-timeout", "BAREWIRE_IDLE_TIMEOUT", "50s", "70s", |o| {
            format!("{:?}", o.idle_timeout)
        }),
        ("--drain", "BAREWIRE_DRAIN", "1s", "2s", |o| format!("{:?}", o.drain)),
    ];
    for (flag, variable, one, other, shown) in table {
        let default = shown(&serve(&[], &[]));
        let by_flag = shown(&serve(&[flag, one], &[]));
        assert_ne!(by_flag, default, "{flag}");
        assert_eq!(shown(&serve(&[], &[(variable, one)])), by_flag, "{variable}");
        assert_eq!(
            shown(&serve(&[flag, one], &[(variable, other)])),
            by_flag,
            "{flag} beats {variable}"
        );
        assert_ne!(shown(&serve(&[], &[(variable, other)])), by_flag, "{variable}");
        assert_eq!(shown(&serve(&[], &[(variable, "")])), default, "{variable} set to nothing");
    }
    // The two switches, which take no value, have their own tests; together they are all.
    assert_eq!(table.len() + 2, command::flags(command::SERVE).count());
}

#[test]
fn port_alone_is_every_address_and_is_remembered() {
    let options = serve(&[], &[("PORT", "5000")]);
    assert_eq!((options.bind, options.port_alone), (vec!["0.0.0.0:5000".parse().unwrap()], true));
    for (args, env) in [
        (&["--bind", "[::1]:1"][..], &[("PORT", "5000")][..]),
        (&[], &[("PORT", "5000"), ("BAREWIRE_BIND", "[::1]:1")]),
    ] {
        let options = serve(args, env);
        assert_eq!((options.bind, options.port_alone), (vec!["[::1]:1".parse().unwrap()], false));
    }
}

#[test]
fn lists_repeat_the_flag_or_have_commas_and_count_doubles_once() {
    let options = serve(&["--channel", "a", "--channel", "b,c", "--channel", "a"], &[]);
    assert_eq!(globs(&options), ["a", "b,c"]);
    assert_eq!(globs(&serve(&[], &[("BAREWIRE_CHANNEL", "a, b*,,a,")])), ["a", "b*"]);
    let options = serve(&[], &[("BAREWIRE_ORIGIN", "https://a, HTTPS://A:443,http://b:81")]);
    assert_eq!(origins(&options), ["https://a", "http://b:81"]);
    let options = serve(&["--bind", "localhost:1", "--bind", "[::1]:1"], &[]);
    assert_eq!(options.bind.len(), 2);
}

#[test]
fn errors_name_their_source_and_say_what_to_write() {
    for (args, env, expected) in [
        (&["--ping", "30"][..], &[][..], "--ping: a time has a unit: write 30s"),
        (&[], &[("BAREWIRE_PING", "30")], "BAREWIRE_PING: a time has a unit: write 30s"),
        (&["--ping", "0s"], &[], "--ping: a time has a unit: write 30s"),
        (&["--backlog", "lots"], &[], "--backlog: write a size in bytes such as"),
        (&["--max-connections", "0"], &[], "--max-connections: write a whole number from 1"),
        (&["--bind", "8080"], &[], "--bind: write 127.0.0.1:8080 for this machine"),
        (&[], &[("PORT", "http")], "PORT: write a number up to 65535"),
        (&[], &[("BAREWIRE_ECHO", "maybe")], "BAREWIRE_ECHO: write 1 or 0"),
        (&["--origin", "https://a/b"], &[], "--origin: write scheme://host[:port] without a path"),
        (&["--channel", ""], &[], "--channel: a channel name may not be empty"),
        (&["--channel", "awake"], &[], "--channel: awake is the server's own channel"),
        (&[], &[("BAREWIRE_CHANNEL", "a,awake")], "BAREWIRE_CHANNEL: awake is"),
        (&["--redis", "rediss://a"], &[], "--redis: rediss:// (TLS) is not spoken; put stunnel"),
        (&[], &[("REDIS_URL", "http://a")], "REDIS_URL: write redis://host:port"),
        (&["--publish-token", ""], &[], "--publish-token: a token is not empty"),
        (&["--publish-token", "a b"], &[], "--publish-token: a token travels in an HTTP field"),
        (&["--ping", "1s", "--ping", "2s"], &[], "--ping: write it only once"),
    ] {
        assert_error(args, env, expected);
    }
}

#[test]
fn what_clap_finds_is_said_in_our_words() {
    for (args, expected) in [
        (&["--ping"][..], "--ping: a value is missing: write --ping TIME"),
        (&["--ping", "--echo"], "--ping: a value is missing"),
        (&["-xyz"], "argument 1 is neither"),
        (&["--echo", ""], "argument 2 is neither"),
        (&["--echo=1"], "--echo: it takes no value"),
        (&["--echo", "--echo"], "--echo: write it only once"),
        (&["publish", "a", "b", "-n", "-n"], "-n: write it only once"),
        (&["--echo", "--chanel", "a"], "argument 2 is not known: did you mean --channel GLOB?"),
        (&["-x"], "argument 1 is neither a flag, "),
        (&["--echo", "ruby"], "argument 2 is neither a flag, `publish` nor `explain`"),
        (&["help"], "argument 1 is neither a flag, `publish` nor `explain`"),
        (&["--echo", "publish", "a", "b"], "write `publish` first"),
        (&["--echo", "explain", "81"], "write `explain` first"),
        (&["explain", "--echo"], "argument 2 is "),
        (&["publish"], "a channel and a message are needed"),
        (&["publish", "ruby"], "a channel and a message are needed"),
        (
            &["publish", "ruby", "Hello", "world"],
            "argument 4 is neither a flag nor the message: put quotes",
        ),
        (&["publish", "ruby", "a", "--evry", "1s"], "did you mean --every TIME?"),
        (&["publish", "awake", "a"], "CHANNEL: awake is the server's own"),
        (&["publish", "", "a"], "CHANNEL: a channel name may not be empty"),
        (&["publish", "a", "b", "--count", "0"], "--count: write a whole number from 1"),
        (
            &["publish", "a", "b", "--to", "https://c"],
            "--to: write http://host[:port] without a path",
        ),
        (
            &["publish", "a", "b", "--to", "http://c", "--redis", "redis://d"],
            "--redis: it goes without --to",
        ),
        (
            &["publish", "a", "b", "--publish-token", "c", "--redis", "redis://d"],
            "--redis: it goes without --to and --publish-token",
        ),
    ] {
        assert_error(args, &[], expected);
    }
}

fn assert_error(args: &[&str], env: &[(&str, &str)], expected: &str) {
    let error = run(args, env).unwrap_err();
    let (first, last) = error.split_once('\n').unwrap();
    assert!(first.starts_with("barewire: ") && first.contains(expected), "{args:?}: {error}");
    assert_eq!(last, "barewire -h, barewire publish -h and barewire explain -h say more");
}

#[test]
fn values_must_agree_with_each_other() {
    for (args, expected) in [
        (
            &["--backlog", "1m"][..],
            "--backlog: the largest message does not fit: write at least 1048586",
        ),
        (&["--max-publish", "2m"], "write at least 2097162"),
        (&["--max-publish", "64m", "--backlog", "1g"], "--max-publish: write at most 63m"),
        (&["--idle-timeout", "25s"], "--ping: 25s is not shorter than --idle-timeout 25s"),
        (&["--ping", "500ms", "--idle-timeout", "500ms"], "write --ping 250ms"),
    ] {
        let error = run(args, &[]).unwrap_err();
        assert!(error.contains(expected), "{args:?}: {error}");
    }
    serve(&["--backlog", "1048586"], &[]);
    serve(&["--max-publish", "63m", "--backlog", "64m"], &[]);
    serve(&["--idle-timeout", "25001ms"], &[]);
}

#[test]
fn more_names_than_a_client_may_take_are_refused() {
    let list = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(serve(&[], &[("BAREWIRE_CHANNEL", &list(99))]).channels.len(), 99);
    let error = run(&[], &[("BAREWIRE_CHANNEL", &list(100))]).unwrap_err();
    assert!(error.contains("at most 99 names: write a glob"), "{error}");
}

#[test]
fn no_error_repeats_a_value_whatever_flag_it_landed_in() {
    let url = format!("nonsense://user:{CANARY}@host#");
    let mut tried = 0;
    let mut check = |args: &[&str], env: &[(&str, &str)]| {
        if let Err(error) = run(args, env) {
            assert!(!error.contains(CANARY), "{args:?} {env:?}: {error}");
            tried += 1;
        }
    };
    for flag in command::flags(command::SERVE) {
        let flag = flag.split(' ').next().unwrap().to_owned();
        let variable = format!("BAREWIRE_{}", flag[2..].to_uppercase().replace('-', "_"));
        check(&[&flag, &url], &[]);
        check(&[&flag, CANARY], &[]);
        check(&[&format!("{flag}={url}")], &[]);
        check(&[&format!("{flag}{CANARY}")], &[]);
        check(&[&format!("{flag}-{CANARY}={CANARY}")], &[]);
        check(&[&flag, &format!("-{CANARY}")], &[]);
        check(&[&flag, &format!("--{CANARY}")], &[]);
        check(&[&flag, "a", &flag, CANARY], &[]);
        check(&["publish", "a", "b", &flag, &url], &[]);
        check(&[], &[(&variable, &url)]);
    }
    check(&[CANARY], &[]);
    check(&[CANARY, "publish"], &[]);
    check(&["publish", "a", "b", CANARY], &[]);
    check(&["publish", "a", "b", "--to", &format!("http://me:{CANARY}@host")], &[]);
    check(&["--redis", &format!("rediss://me:{CANARY}@host")], &[]);
    check(&["--redis", &format!("redis://me:{CANARY}@host:port")], &[]);
    check(&[], &[("REDIS_URL", &format!("redis://me:pass#{CANARY}@host"))]);
    check(&["--publish-token", &format!("{CANARY} {CANARY}")], &[]);
    check(&[], &[("PORT", CANARY)]);
    assert!(tried > 120, "{tried}");
}

#[test]
fn options_print_without_secrets() {
    let options =
        serve(&["--redis", &format!("redis://me:{CANARY}@host"), "--publish-token", CANARY], &[]);
    let shown = format!("{options:?} {options:#?}");
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(shown.contains("6379") && shown.contains("<redacted>"), "{shown}");
    let options = publish(&["a", "b", "--publish-token", CANARY], &[]);
    assert!(!format!("{options:?}").contains(CANARY));
}

#[test]
fn help_and_version_are_shown() {
    for (args, expected) in [
        (&["-h"][..], "Usage: barewire [FLAGS]"),
        (&["--help"], "Usage: barewire [FLAGS]"),
        (&["publish", "-h"], "Usage: barewire publish CHANNEL MESSAGE"),
        (&["explain", "-h"], "Usage: barewire explain [BYTES]"),
        (&["-V"], concat!("barewire ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["--version"], concat!("barewire ", env!("CARGO_PKG_VERSION"), "\n")),
    ] {
        match run(args, &[]) {
            Ok(Command::Show(text)) => {
                assert!(text.contains(expected) && text.ends_with('\n'), "{text}")
            }
            other => panic!("{args:?}: {other:?}"),
        }
    }
}

#[test]
fn arguments_that_are_no_text_are_refused_and_messages_may_be() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = || OsString::from_vec(vec![b'a', 0xff]);
    let args = |args: Vec<OsString>| parse(args, |_| None);
    let error = args(vec!["barewire".into(), "--channel".into(), bytes()]).unwrap_err();
    assert!(error.to_string().contains("UTF-8"), "{error}");
    match args(vec!["barewire".into(), "publish".into(), "ruby".into(), bytes(), "-n".into()]) {
        Ok(Command::Publish(options)) => assert_eq!(options.message, [b'a', 0xff]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_to_be_explained_is_one_text_or_comes_on_stdin() {
    let explain = |args: &[&str]| match run(args, &[]) {
        Ok(Command::Explain(bytes)) => bytes,
        other => panic!("{args:?}: {other:?}"),
    };
    assert_eq!(explain(&["explain"]), None);
    assert_eq!(explain(&["explain", "81", "05", "48"]).unwrap(), b"81 05 48");
    assert_eq!(explain(&["explain", r"\x81\x05Hello"]).unwrap(), br"\x81\x05Hello");
}

#[test]
fn publish_ends_a_message_with_a_newline_unless_told_not_to() {
    let options = publish(&["ruby", "Hello world"], &[]);
    assert_eq!(options.channel.as_str(), "ruby");
    assert_eq!(options.message, b"Hello world\n");
    assert_eq!((options.count, options.every), (Some(1), Duration::ZERO));
    assert_eq!(publish(&["ruby", "Hello world", "-n"], &[]).message, b"Hello world");
    assert_eq!(publish(&["ruby", ""], &[]).message, b"\n");
    assert_eq!(publish(&["ruby", "-5"], &[]).message, b"-5\n");
    assert_eq!(publish(&["-n", "--", "ruby", "--help"], &[]).message, b"--help");
}

#[test]
fn publish_repeats_count_times_or_for_ever() {
    let count = |args: &[&str]| {
        let options = publish(&[&["a", "b"], args].concat(), &[]);
        (options.count, options.every)
    };
    assert_eq!(count(&["--count", "5"]), (Some(5), Duration::ZERO));
    assert_eq!(count(&["--every", "5s"]), (None, Duration::from_secs(5)));
    assert_eq!(count(&["--every", "5s", "--count", "2"]), (Some(2), Duration::from_secs(5)));
}

#[test]
fn publish_goes_where_a_flag_says_else_to_redis_url_else_to_this_machine() {
    let env = [("REDIS_URL", "redis://env"), ("BAREWIRE_PUBLISH_TOKEN", "envtoken")];
    let bad = [("REDIS_URL", "nonsense")];
    for (args, env, expected) in [
        (&[][..], &[][..], "127.0.0.1:8080"),
        (&[], &env, "redis://env:6379"),
        (&["--redis", "redis://flag"], &env, "redis://flag:6379"),
        (&["--to", "http://flag:81"], &env, "flag:81 with envtoken"),
        (&["--to", "http://flag:81"], &bad, "flag:81"),
        (&["--publish-token", "envtoken"], &env, "127.0.0.1:8080 with envtoken"),
    ] {
        let shown = match publish(&[&["a", "b"], args].concat(), env).to {
            PublishTo::Redis(address) => address.to_string(),
            PublishTo::Server(address, None) => address.to_string(),
            PublishTo::Server(address, Some(token)) => {
                assert!(token.matches(b"envtoken"));
                format!("{address} with envtoken")
            }
        };
        assert_eq!(shown, expected, "{args:?}");
    }
}

fn origins(options: &Options) -> Vec<String> {
    options.origins.iter().map(ToString::to_string).collect()
}
