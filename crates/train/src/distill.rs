//! Distillation: a model is trained to have the features of another one, with or without labels.
//!
//!     L = w · loss + λ · L_fd,   L_fd = mean over blocks l of mean (f_l − t_l)²        f_l, t_l: [t, d]
//!
//! f_l is what block l of the model gives (`Pass::keep_features`), t_l what that of the teacher gives: a frozen model of the
//! same shape, run off the tape and without any draw. All tokens and channels count, prompts too. With w = 0 no label is
//! read and every token counts as a target, as the loss of a step is a mean over targets. The teacher costs a forward pass
//! a batch and its weights. Scores are those of the task.
//!
//! Paper: [pela]; λ = 1 there for DeiT and Swin, 0.1 for ALBEF. Departure: no distance of logits, which the released code
//! has for DeiT with weight 0.

use crate::{BatchOf, Count, Error, Result, Task};
use rankine_nn::Pass;
use rankine_tensor::{Tensor, untaped};

/// A task with a teacher.
pub struct Distill<'t, T: Task> {
    /// What the model is trained for beside, and scored by.
    pub task: T,
    /// The model whose features are the goal; it is not changed.
    pub teacher: &'t T::Model,
    /// λ: weight of the features.
    pub features: f32,
    /// w: weight of the task's own loss; 0 for none.
    pub own: f32,
    /// Numbers of the blocks whose features count, from 0; all when empty.
    pub blocks: Vec<usize>,
}

impl<T: Task> Task for Distill<'_, T> {
    type Model = T::Model;
    type Sample = T::Sample;
    type Score = T::Score;

    fn count(&self, batch: &BatchOf<Self>) -> Count {
        let count = self.task.count(batch);
        if self.own > 0.0 { count } else { Count { targets: count.tokens, ..count } }
    }

    fn losses<'m>(
        &self,
        model: &'m Self::Model,
        batch: &BatchOf<Self>,
        pass: &mut Pass<'m>,
    ) -> Result<Tensor> {
        pass.keep_features();
        let own = match self.own > 0.0 {
            true => Some(self.task.losses(model, batch, pass)?.scale(self.own)),
            false => self.task.features(model, batch, pass).map(|()| None)?,
        };
        let (found, goal) = (self.chosen(pass.take_features())?, self.chosen(self.goal(batch)?)?);
        // A step divides by its targets.
        let factor = self.features * self.count(batch).targets as f32;
        let features = feature_loss(&found, &goal)?.scale(factor);
        Ok(match own {
            Some(own) => Tensor::concat(&[own, features], 0)?,
            None => features,
        })
    }

    fn score(
        &self,
        model: &Self::Model,
        batches: &mut dyn Iterator<Item = BatchOf<Self>>,
        watch: &mut dyn FnMut(usize),
    ) -> Result<Self::Score> {
        self.task.score(model, batches, watch)
    }
}

impl<T: Task> Distill<'_, T> {
    /// Features of the teacher.
    fn goal(&self, batch: &BatchOf<T>) -> Result<Vec<Tensor>> {
        let mut pass = Pass::quiet();
        pass.keep_features();
        untaped(|| self.task.features(self.teacher, batch, &mut pass))?;
        Ok(pass.take_features())
    }

    /// Those of the blocks that count.
    fn chosen(&self, features: Vec<Tensor>) -> Result<Vec<Tensor>> {
        if self.blocks.is_empty() {
            return Ok(features);
        }
        let of = |&block: &usize| {
            let found = || format!("{block} of {} blocks", features.len());
            let expected = "numbers of the model's blocks, from 0";
            features.get(block).cloned().ok_or_else(|| Error::Setting {
                name: "blocks",
                expected,
                found: found(),
            })
        };
        self.blocks.iter().map(of).collect()
    }
}

/// L_fd: the mean over the blocks of the mean squared difference; [1].
///
/// # Errors
/// When there are no features, or those of student and teacher are not of the same shapes.
pub fn feature_loss(student: &[Tensor], teacher: &[Tensor]) -> Result<Tensor> {
    if student.is_empty() && teacher.is_empty() {
        return Err(Error::NoFeatures);
    }
    let differ = |student: String, teacher: String| Error::Features { student, teacher };
    if student.len() != teacher.len() {
        return Err(differ(format!("of {} blocks", student.len()), format!("of {}", teacher.len())));
    }
    let mut sum = Tensor::scalar(0.0);
    for (found, goal) in student.iter().zip(teacher) {
        let (shape, expected) = (found.shape(), goal.shape());
        if shape != expected {
            return Err(differ(format!("{shape:?}"), format!("{expected:?}")));
        }
        let off = found.sub(goal)?;
        sum = sum.add(&off.mul(&off)?.mean())?;
    }
    Ok(sum.scale((student.len() as f32).recip()))
}
