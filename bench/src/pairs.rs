//! Paired measurement: two sides in turn, A B B A, in slices short enough that both see the same machine.
//!
//! CPU work is measured by its thread's CPU time in slices of less than a millisecond, work on a database by wall time
//! in rounds of some seconds.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// How often the four slices are run.
const ROUNDS: usize = 1_500;
/// How long one slice may take.
const SLICE: Duration = Duration::from_micros(800);

/// Paired ratios, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Ratios(Vec<f64>);

impl Ratios {
    pub(crate) fn new(mut ratios: Vec<f64>) -> Self {
        ratios.sort_by(f64::total_cmp);
        Self(ratios)
    }

    /// The ratio a share of all pairs lies under.
    pub(crate) fn at(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a short list"
        )]
        let place = (share * (self.0.len().saturating_sub(1)) as f64).round() as usize;
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    pub(crate) fn greatest(&self) -> f64 {
        self.at(1.0)
    }
}

/// What two sides of a database came to.
#[derive(Clone, Debug)]
pub(crate) struct Paired {
    /// B over A.
    pub(crate) ratios: Ratios,
    /// The figures of A's slices.
    pub(crate) a: Ratios,
    /// The figures of B's slices.
    pub(crate) b: Ratios,
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn cpu_time(times: u32, side: &mut impl FnMut()) -> Duration {
    let begin = thread_cpu();
    for _ in 0..times {
        side();
    }
    thread_cpu().saturating_sub(begin)
}

/// How often a side can be run in one slice.
fn times_per_slice(side: &mut impl FnMut()) -> u32 {
    let mut times = 1;
    loop {
        let took = cpu_time(times, side);
        if took * 2 > SLICE || times > 1 << 20 {
            return times;
        }
        times *= 2;
    }
}

/// Thread CPU time of B over that of A, in pairs.
pub(crate) fn cpu_ratios(mut a: impl FnMut(), mut b: impl FnMut()) -> Ratios {
    // Both are run equally often in a slice; the slower one sets how often.
    let times = times_per_slice(&mut a).min(times_per_slice(&mut b));
    let mut ratios = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let first = cpu_time(times, &mut a);
        let second = cpu_time(times, &mut b) + cpu_time(times, &mut b);
        let both = first + cpu_time(times, &mut a);
        // The first rounds warm caches and branch predictors.
        if round >= ROUNDS / 10 {
            ratios.push(second.as_secs_f64() / both.as_secs_f64());
        }
    }
    Ratios::new(ratios)
}

/// Wall time of one run.
pub(crate) fn wall(side: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    side();
    begin.elapsed()
}

/// B over A, in rounds of four slices. A side does one slice of its work and answers the figure of it, in seconds.
pub(crate) async fn paired<E>(
    rounds: usize,
    a: impl AsyncFn() -> Result<f64, E>,
    b: impl AsyncFn() -> Result<f64, E>,
) -> Result<Paired, E> {
    let (mut ratios, mut of_a, mut of_b) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let slices = [a().await?, b().await?, b().await?, a().await?];
        // The first round warms caches and statements.
        if round > 0 {
            let [first, second, third, fourth] = slices;
            ratios.push((second + third) / (first + fourth));
            of_a.extend([first, fourth]);
            of_b.extend([second, third]);
        }
    }
    Ok(Paired { ratios: Ratios::new(ratios), a: Ratios::new(of_a), b: Ratios::new(of_b) })
}
