//! How good guesses of classes are, from the table of what was guessed for what.
//!
//!     accuracy = Σ_k C_kk / n        precision_k = C_kk / p_k        recall_k = C_kk / t_k
//!     F1_k = 2·C_kk / (p_k + t_k)        macro F1 = mean of F1_k
//!     Matthews = (n·Σ_k C_kk − Σ_k p_k·t_k) / √((n² − Σ p_k²)·(n² − Σ t_k²))
//!
//! C_jk counts class j guessed as class k; t_k its row sums, p_k its column sums; n their total. As in scikit-learn, a
//! quotient 0/0 is 0, and classes that occur neither as label nor as guess have no part in the macro mean.

/// Labels against guesses; C: [classes, classes].
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Confusion {
    classes: usize,
    counts: Vec<usize>,
}

impl Confusion {
    /// Of so many classes, nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts one guess; both are below the number of classes.
    pub fn add(&mut self, label: usize, guess: usize) {
        if label < self.classes && guess < self.classes {
            self.counts[label * self.classes + guess] += 1;
        }
    }

    /// How often `label` was guessed to be `guess`.
    pub fn count(&self, label: usize, guess: usize) -> usize {
        self.counts.get(label * self.classes + guess).copied().unwrap_or(0)
    }

    /// n.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Share of right guesses.
    pub fn accuracy(&self) -> f64 {
        ratio(self.right() as f64, self.total() as f64)
    }

    /// F1 of one class.
    pub fn f1(&self, class: usize) -> f64 {
        let marginal = self.labels(class) + self.guesses(class);
        ratio(2.0 * self.count(class, class) as f64, marginal as f64)
    }

    /// Mean F1 of the classes that occur.
    pub fn macro_f1(&self) -> f64 {
        let occurs = |&class: &usize| self.labels(class) + self.guesses(class) > 0;
        let scores: Vec<f64> = (0..self.classes).filter(occurs).map(|class| self.f1(class)).collect();
        ratio(scores.iter().sum(), scores.len() as f64)
    }

    /// Matthews' correlation of labels and guesses, from −1 to 1.
    pub fn matthews(&self) -> f64 {
        let n = self.total() as f64;
        let (mut both, mut guessed, mut labelled) = (0.0, 0.0, 0.0);
        for class in 0..self.classes {
            let (p, t) = (self.guesses(class) as f64, self.labels(class) as f64);
            both += p * t;
            guessed += p * p;
            labelled += t * t;
        }
        ratio(n * self.right() as f64 - both, ((n * n - guessed) * (n * n - labelled)).sqrt())
    }

    fn right(&self) -> usize {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// t_k.
    fn labels(&self, class: usize) -> usize {
        (0..self.classes).map(|guess| self.count(class, guess)).sum()
    }

    /// p_k.
    fn guesses(&self, class: usize) -> usize {
        (0..self.classes).map(|label| self.count(label, class)).sum()
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}
