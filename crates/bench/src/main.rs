//! `cargo xtask bench [NAME…]`: time and memory of the work, beside the limits of this machine.
//!
//! Every benchmark runs in a process of its own, so that its peak of memory is its own. Where a benchmark is about a real
//! model, `RANKINE_BENCH_MODEL` names its folder or file; without one, random weights of the shape of SmolLM2-135M stand
//! for it. Figures of other programs for the same work: `benches/compare/`.

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

mod attach;
mod dpp;
mod figure;
mod generate;
mod layer;
mod machine;
mod memory;
mod merge;
mod methods;
mod networks;
mod scaling;
mod start;
mod stream;
mod subject;
mod svd;
mod train;

use figure::Figure;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, ExitCode};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// A benchmark: its word, what it does, and the work.
struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<Vec<Figure>>,
}

const fn bench(name: &'static str, about: &'static str, run: fn() -> Result<Vec<Figure>>) -> Bench {
    Bench { name, about, run }
}

const BENCHES: [Bench; 18] = [
    bench(
        "limits",
        "the processor's rate of products, and the memory's of reading and copying",
        machine::limits,
    ),
    bench("lora", "a LoRA step, frozen weights in f32", train::lora),
    bench("lora-bf16", "the same, frozen weights in bf16", train::lora_bf16),
    bench("lora-file", "the same, frozen weights in the type of the model's file", train::lora_file),
    bench("full", "a step that trains every weight", train::full),
    bench("attach", "PiSSA on every linear layer, exact and randomised", attach::run),
    bench("methods", "every method on every linear layer, one after the other", methods::run),
    bench("methods-case", "one case of `methods`: METHOD in the environment", methods::case),
    bench(
        "memory",
        "`rankine train` with LoRA and with QLoRA: the most memory that is resident",
        memory::run,
    ),
    bench("merge", "an adapter into a sharded bf16 model of 1.6 GB", merge::run),
    bench(
        "stream",
        "operations on a sharded model of 20 GB, or of GIGABYTES: the most memory that is resident",
        stream::run,
    ),
    bench("start", "`rankine --help`", start::run),
    bench("generate", "greedy generation of one text", generate::run),
    bench("networks", "a step of an MLP and of a LeNet, batch 128", networks::run),
    bench("svd", "all singular triples of a matrix, and 16 of them by random projection", svd::run),
    bench("dpp", "draws of a projection determinantal process", dpp::run),
    bench("scaling", "how the cost of a LoRA step grows with threads, length and rank", scaling::run),
    bench("scaling-case", "one case of `scaling`: LENGTH and RANK in the environment", scaling::case),
];

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(mut words: Vec<String>) -> Result<()> {
    let json = words.iter().position(|word| word == "--json").map(|at| words.remove(at)).is_some();
    // As the program does.
    rankine_kernels::memory::keep();
    if let Ok(level) = std::env::var("RANKINE_CPU") {
        machine::limit(&level)?;
    }
    match words.as_slice() {
        [] => each(BENCHES.iter().map(|bench| bench.name).filter(|name| !name.ends_with("-case")), json),
        [name] => {
            let bench = BENCHES.iter().find(|bench| bench.name == name).ok_or_else(|| unknown(name))?;
            if !json {
                println!("{}: {}", bench.name, bench.about);
            }
            // Inside the pool of threads, as the program does.
            let figures = rayon::scope(|_| (bench.run)().map_err(|error| error.to_string()))?;
            figures.iter().for_each(|figure| figure.print(json));
            Ok(())
        }
        names => each(names.iter().map(String::as_str), json),
    }
}

/// Runs benchmarks one after the other, each in a process of its own.
fn each<'a>(names: impl Iterator<Item = &'a str>, json: bool) -> Result<()> {
    for name in names {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).args(json.then_some("--json"));
        if !command.status()?.success() {
            return Err(format!("the benchmark `{name}` failed").into());
        }
    }
    Ok(())
}

/// Figures by name of one benchmark that runs in a process of its own, with these variables in its environment.
fn alone(name: &str, variables: &[(&str, String)]) -> Result<BTreeMap<String, f64>> {
    let variables = variables.iter().map(|(name, value)| (name, value));
    let output = Command::new(std::env::current_exe()?).args([name, "--json"]).envs(variables).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(text.into());
    }
    let figures = text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    let pair = |figure: &Value| Some((figure["what"].as_str()?.to_owned(), figure["value"].as_f64()?));
    Ok(figures.iter().filter_map(pair).collect())
}

fn unknown(name: &str) -> String {
    let known: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
    format!("no benchmark `{name}`; there are: {}", known.join(", "))
}
