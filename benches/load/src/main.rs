//! Measures WebSocket servers that pass Redis messages on, one beside the other. `benches/run` builds and calls this.
//!
//! All servers are up; each does the same work in turn, for a short while, round after round, on a processor of its own
//! (the clients, who publishes and Redis have the other). What is compared is work per second of the server's
//! *processor time*, as a ratio to the floor's in the same round. A machine that is slow for a while is so for both, so the
//! ratio holds where neither figure alone would.

mod calls;
mod check;
mod client;
mod crowd;
mod echo;
mod fanout;
mod latency;
mod publisher;
mod report;
mod server;
mod workload;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::crowd::{Connects, Memory};
use crate::echo::Echo;
use crate::fanout::{Channels, FanOut};
use crate::latency::Latency;
use crate::report::{Curve, Spread, row, short};
use crate::server::{KINDS, Redis, Server};
use crate::workload::Workload;

const USAGE: &str = "\
benches/run [OPTION...] [SUITE...]

  --servers a,b     these and the floor, instead of all
  --rounds N        so many runs of each kind of work by each server  [5]
  --seconds S       so long each                                      [1]
  --plot FILE       draws the curve of the suite `curve` there

suites: fan-out many sizes channels echo connects memory churn clients stuck others compressed latency
calls curve; without any, all of them";

struct Given {
    folder: PathBuf,
    servers: Vec<String>,
    rounds: usize,
    time: Duration,
    plot: Option<PathBuf>,
    suites: Vec<String>,
}

const SUITES: &[&str] = &[
    "fan-out",
    "many",
    "sizes",
    "channels",
    "echo",
    "connects",
    "memory",
    "churn",
    "clients",
    "stuck",
    "others",
    "compressed",
    "latency",
    "calls",
    "curve",
];

fn main() -> Result<()> {
    let Some(given) = given()? else {
        println!("{USAGE}");
        return Ok(());
    };
    // The second processor is for clients, who publishes, and Redis.
    let mut processors = rustix::thread::CpuSet::new();
    processors.set(1);
    rustix::thread::sched_setaffinity(None, &processors).context("this needs two processors")?;
    let bench = Bench::new(given)?;
    for suite in bench.given.suites.clone() {
        println!("\n## {suite}\n");
        match suite.as_str() {
            "stuck" => bench.beside(FanOut { stuck: 100, ..FanOut::new(900, 1024, 16) })?,
            "others" => bench.beside(FanOut { others: 9000, ..FanOut::new(1000, 64, 16) })?,
            "latency" => bench.latency()?,
            "calls" => bench.calls()?,
            "curve" => bench.curve()?,
            _ => bench.compare(&workloads(&suite))?,
        }
    }
    let failed = bench.failed.take();
    if !failed.is_empty() {
        bail!("without a figure, for the reasons said above:\n  {}", failed.join("\n  "));
    }
    Ok(())
}

fn given() -> Result<Option<Given>> {
    let mut given = Given {
        folder: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
        servers: KINDS.iter().map(|kind| kind.name.to_owned()).collect(),
        rounds: 5,
        time: Duration::from_secs(1),
        plot: None,
        suites: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "-h" | "--help" => return Ok(None),
            "--servers" => given.servers = value()?.split(',').map(str::to_owned).collect(),
            "--rounds" => given.rounds = value()?.parse().context("--rounds")?,
            "--seconds" => {
                given.time = Duration::from_secs_f64(value()?.parse().context("--seconds")?)
            }
            "--plot" => given.plot = Some(value()?.into()),
            suite if SUITES.contains(&suite) => given.suites.push(suite.to_owned()),
            other => bail!("there is no {other}\n\n{USAGE}"),
        }
    }
    if let Some(unknown) =
        given.servers.iter().find(|name| KINDS.iter().all(|kind| kind.name != **name))
    {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        bail!("there is no server {unknown}; there are: {}", names.join(", "));
    }
    if given.suites.is_empty() {
        given.suites = SUITES.iter().map(|suite| (*suite).to_owned()).collect();
    }
    Ok(Some(given))
}

fn workloads(suite: &str) -> Vec<Box<dyn Workload>> {
    let fan_out = |clients, bytes, in_flight: &[usize]| -> Vec<Box<dyn Workload>> {
        in_flight.iter().map(|count| Box::new(FanOut::new(clients, bytes, *count)) as _).collect()
    };
    match suite {
        "fan-out" => fan_out(1000, 64, &[1, 64, 1000]),
        "many" => fan_out(10_000, 64, &[1, 64]),
        "sizes" => [fan_out(1000, 1024, &[1, 64]), fan_out(1000, 16_384, &[1, 4])]
            .into_iter()
            .flatten()
            .collect(),
        "channels" => vec![
            Box::new(Channels { clients: 10_000, each: 1, all: 10_000, in_flight: 1000 }),
            Box::new(Channels { clients: 1000, each: 100, all: 100, in_flight: 100 }),
        ],
        "echo" => [(20, [1, 16]), (1024, [1, 16]), (16_384, [1, 4])]
            .into_iter()
            .flat_map(|(bytes, counts)| {
                counts.map(|in_flight| Box::new(Echo { bytes, in_flight }) as _)
            })
            .collect(),
        "clients" => [10, 100, 1000, 10_000, 19_000]
            .map(|clients| Box::new(FanOut::new(clients, 64, 16)) as _)
            .into(),
        "connects" => vec![Box::new(Connects)],
        "memory" => [10_000, 19_000].map(|clients| Box::new(Memory { clients }) as _).into(),
        "churn" => vec![Box::new(FanOut { churn: 10, ..FanOut::new(1000, 64, 64) })],
        "compressed" => [(64, 64), (1024, 8)]
            .map(|(bytes, in_flight)| {
                Box::new(FanOut { compressed: true, ..FanOut::new(1000, bytes, in_flight) }) as _
            })
            .into(),
        _ => Vec::new(),
    }
}

struct Bench {
    given: Given,
    redis: Redis,
    /// The floor is the first.
    servers: Vec<Server>,
    /// Work that a peer could not do.
    failed: RefCell<Vec<String>>,
}

impl Bench {
    fn new(given: Given) -> Result<Self> {
        let redis = Redis::start()?;
        let wanted = KINDS.iter().filter(|kind| {
            kind.name == "floor" || given.servers.iter().any(|name| name == kind.name)
        });
        let servers = wanted
            .map(|kind| Server::start(kind, &given.folder, redis.port))
            .collect::<Result<_>>()?;
        Ok(Self { given, redis, servers, failed: RefCell::default() })
    }

    /// What came of work that may be too much for a peer: then it has no figure, and the others go on. For
    /// the floor and barewire that is the end.
    fn tried<T>(&self, server: &Server, what: &str, outcome: Result<T>) -> Result<Option<T>> {
        let what = format!("{what}, {}", server.kind.name);
        match outcome {
            Err(error) if !["floor", "barewire"].contains(&server.kind.name) => {
                eprintln!("{what}: {error:#}");
                self.failed.borrow_mut().push(what);
                Ok(None)
            }
            other => other.map(Some).context(what),
        }
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.servers.iter().map(|server| server.kind.name.to_owned())
    }

    /// What each server makes of this work, round by round. A server that it is not for has no figures, nor
    /// has one that fails in any round.
    fn figures(&self, workload: &dyn Workload) -> Result<Vec<Vec<f64>>> {
        let mut all: Vec<_> =
            self.servers.iter().map(|server| workload.is_for(server).then(Vec::new)).collect();
        for round in 0..self.given.rounds {
            for (server, place) in self.servers.iter().zip(&mut all) {
                let Some(figures) = place else { continue };
                let outcome = workload.run(server, &self.redis, self.given.time);
                let Some(sample) = self.tried(server, &workload.name(), outcome)? else {
                    *place = None;
                    continue;
                };
                eprintln!(
                    "  {round} {:<18} {:>8}  busy {:3.0} %  kernel {:3.0} %  generator {:3.0} %  {}",
                    server.kind.name,
                    short(sample.figure),
                    sample.busy * 100.0,
                    sample.kernel * 100.0,
                    sample.generator * 100.0,
                    workload.name()
                );
                figures.push(sample.figure);
            }
        }
        Ok(all.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn compare(&self, workloads: &[Box<dyn Workload>]) -> Result<()> {
        println!(
            "{}",
            row(["per second of processor time".to_owned()].into_iter().chain(self.names()))
        );
        println!("{}", row((0..=self.servers.len()).map(|_| "---".to_owned())));
        for workload in workloads {
            let all = self.figures(workload.as_ref())?;
            let floor = Spread::of(all[0].clone()).map_or("-".into(), |floor| short(floor.median));
            let others = all[1..].iter().map(|figures| {
                // A size is not a speed: it is said as it is. And the floor does not compress.
                if workload.name().starts_with("bytes") || all[0].is_empty() {
                    return Spread::of(figures.clone())
                        .map_or("-".into(), |figure| short(figure.median));
                }
                let ratios =
                    figures.iter().zip(&all[0]).map(|(figure, floor)| figure / floor).collect();
                Spread::of(ratios).map_or("-".into(), Spread::ratio)
            });
            println!("{}", row([workload.name(), floor].into_iter().chain(others)));
        }
        Ok(())
    }

    /// What clients besides cost those whom the messages are for: each server beside itself without them.
    fn beside(&self, beside: FanOut) -> Result<()> {
        let alone = FanOut { stuck: 0, others: 0, ..beside };
        println!(
            "{}",
            row(["as fast as without those".to_owned()].into_iter().chain(self.names()))
        );
        println!("{}", row((0..=self.servers.len()).map(|_| "---".to_owned())));
        let mut ratios: Vec<Vec<f64>> = self.servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.given.rounds {
            for (server, ratios) in self.servers.iter().zip(&mut ratios) {
                let run = |workload: &FanOut| workload.run(server, &self.redis, self.given.time);
                let outcome =
                    run(&beside).and_then(|sample| Ok(sample.figure / run(&alone)?.figure));
                ratios.extend(self.tried(server, &beside.name(), outcome)?);
            }
        }
        let cells =
            ratios.into_iter().map(|ratios| Spread::of(ratios).map_or("-".into(), Spread::ratio));
        println!("{}", row([beside.name()].into_iter().chain(cells)));
        Ok(())
    }

    fn latency(&self) -> Result<()> {
        println!(
            "{}",
            row(["1,000 clients, 1 KiB, p50 / p99 / p99.9 in ms".to_owned()]
                .into_iter()
                .chain(self.names()))
        );
        println!("{}", row((0..=self.servers.len()).map(|_| "---".to_owned())));
        for (per_second, stuck) in [(10, 0), (50, 0), (100, 0), (100, 100)] {
            let mut name = format!("{per_second} messages a second");
            if stuck > 0 {
                name += &format!(", {stuck} more clients that never read");
            }
            let latency = Latency { clients: 1000, per_second, stuck };
            let mut all: Vec<Option<[Vec<f64>; 3]>> =
                self.servers.iter().map(|_| Some(Default::default())).collect();
            for _ in 0..self.given.rounds {
                for (server, place) in self.servers.iter().zip(&mut all) {
                    let Some(figures) = place else { continue };
                    let outcome = latency.run(server, &self.redis, self.given.time * 3);
                    let Some(percentiles) = self.tried(server, &name, outcome)? else {
                        *place = None;
                        continue;
                    };
                    for (figures, percentile) in figures.iter_mut().zip(percentiles) {
                        figures.push(percentile.as_secs_f64() * 1000.0);
                    }
                }
            }
            let cells = all.into_iter().map(|figures| {
                let median = |values| Spread::of(values).map_or(0.0, |spread| spread.median);
                figures.map_or("-".to_owned(), |figures| {
                    figures.map(|values| format!("{:.2}", median(values))).join(" / ")
                })
            });
            println!("{}", row([name].into_iter().chain(cells)));
        }
        Ok(())
    }

    fn calls(&self) -> Result<()> {
        println!(
            "{}",
            row(["1,000 clients, calls for each: writes, epoll_ctl, others".to_owned()]
                .into_iter()
                .chain(self.names()))
        );
        println!("{}", row((0..=self.servers.len()).map(|_| "---".to_owned())));
        for in_flight in [1, 64] {
            let cells: Vec<_> = self
                .servers
                .iter()
                .map(|server| {
                    let calls = calls::count(server, &self.redis, in_flight)
                        .with_context(|| format!("calls of {}", server.kind.name))?;
                    let all = [calls.writes, calls.epoll_ctl, calls.others];
                    Ok(all.map(|count| format!("{count:.3}")).join(" / "))
                })
                .collect::<Result<_>>()?;
            println!("{}", row([format!("{in_flight} in flight")].into_iter().chain(cells)));
        }
        Ok(())
    }

    fn curve(&self) -> Result<()> {
        const IN_FLIGHT: [usize; 6] = [1, 4, 16, 64, 256, 1000];
        println!("{}", row(["µs per 1,000 deliveries".to_owned()].into_iter().chain(self.names())));
        println!("{}", row((0..=self.servers.len()).map(|_| "---".to_owned())));
        let mut curves: Vec<_> = self
            .servers
            .iter()
            .map(|server| Curve { name: server.kind.name, points: Vec::new() })
            .collect();
        for in_flight in IN_FLIGHT {
            let all = self.figures(&FanOut::new(1000, 64, in_flight))?;
            let cells = all.into_iter().zip(&mut curves).map(|(figures, curve)| {
                Spread::of(figures).map_or("-".to_owned(), |figure| {
                    let cost = 1e9 / figure.median;
                    curve.points.push((in_flight as f64, cost));
                    format!("{cost:.1}")
                })
            });
            println!("{}", row([in_flight.to_string()].into_iter().chain(cells)));
        }
        if let Some(file) = &self.given.plot {
            std::fs::write(file, report::plot(&curves))
                .with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }
}
