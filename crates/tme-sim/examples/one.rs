//! Runs worlds by hand.
use tme_sim::{config::WorldConfig, *};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let preset: Preset = args[1].parse().unwrap();
    let (from, count): (u64, u64) = (args[2].parse().unwrap(), args[3].parse().unwrap());
    let trace = args.len() > 4;
    let mut bad = 0;
    for seed in from..from + count {
        let start = std::time::Instant::now();
        let config = WorldConfig::from_seed(seed, preset);
        if trace {
            eprintln!("{config:#?}");
        }
        let options = WorldOptions {
            trace: trace.then(|| Box::new(|line: TraceLine| println!("{line}")) as Box<dyn FnMut(TraceLine)>),
        };
        let result = run_config(config, options);
        let took = start.elapsed();
        match result {
            Ok(report) => println!("{took:.2?} {report}"),
            Err(failure) => {
                bad += 1;
                println!("{took:.2?} FAIL {failure}")
            }
        }
    }
    println!("{bad} bad of {count}");
}
