//! A specification in the making, tensor by tensor.

use super::spec::{Group, Layout, PermutationSpec, UnitKind};
use crate::write::is_weight;
use indexmap::IndexMap;
use rankine_checkpoint::TensorInfo;
use std::collections::HashSet;

/// What is known so far; names that the model does not have are passed over.
pub(super) struct Builder<'a> {
    infos: &'a IndexMap<String, TensorInfo>,
    spec: PermutationSpec,
    /// Tensors that were thought of, permuted or not.
    known: HashSet<String>,
    /// Groups that are read by somebody outside the model.
    fixed: HashSet<usize>,
}

impl<'a> Builder<'a> {
    pub fn new(infos: &'a IndexMap<String, TensorInfo>) -> Self {
        Self { infos, spec: PermutationSpec::default(), known: HashSet::new(), fixed: HashSet::new() }
    }

    pub fn infos(&self) -> &'a IndexMap<String, TensorInfo> {
        self.infos
    }

    pub fn has(&self, name: &str) -> bool {
        self.infos.contains_key(name)
    }

    /// First side of a tensor; 0 of one that is not there.
    pub fn rows(&self, name: &str) -> usize {
        self.infos.get(name).map_or(0, TensorInfo::rows)
    }

    pub fn group(&mut self, kind: UnitKind, name: impl Into<String>, units: usize) -> Layout {
        self.spec.groups.push(Group { name: name.into(), kind, units, shared: 1 });
        Layout { group: self.spec.groups.len() - 1, sections: 1, width: 1, outer: false }
    }

    /// Query heads of `size` numbers, `shared` of them to a key and value head: their layout.
    pub fn heads(&mut self, name: String, heads: usize, shared: usize, size: usize) -> Layout {
        let layout = self.group(UnitKind::Heads, name, heads);
        self.spec.groups[layout.group].shared = shared;
        Layout { width: size, ..layout }
    }

    /// How many units the group of a layout has.
    pub fn units(&self, layout: Layout) -> usize {
        self.spec.groups[layout.group].units
    }

    /// An axis of a tensor has this layout.
    pub fn put(&mut self, name: &str, axis: usize, layout: Layout) {
        if self.has(name) {
            self.know(name);
            let axes = self.spec.axes.entry(name.to_owned()).or_default();
            axes.push((axis, layout));
            axes.sort_by_key(|(axis, _)| *axis);
        }
    }

    /// A tensor that is nobody unknown, whether something of it is permuted or not.
    pub fn know(&mut self, name: impl Into<String>) {
        self.known.insert(name.into());
    }

    /// A linear layer [out, in] or a convolution, with the bias that it may have.
    pub fn linear(&mut self, module: &str, outputs: Option<Layout>, inputs: Option<Layout>) {
        self.matrix(module, (0, outputs), (1, inputs));
    }

    /// A linear layer that is stored as [in, out].
    pub fn turned(&mut self, module: &str, outputs: Layout, inputs: Layout) {
        self.matrix(module, (1, Some(outputs)), (0, Some(inputs)));
    }

    fn matrix(&mut self, module: &str, outputs: (usize, Option<Layout>), inputs: (usize, Option<Layout>)) {
        let [weight, bias] = ["weight", "bias"].map(|name| format!("{module}.{name}"));
        for (axis, layout) in [outputs, inputs] {
            if let Some(layout) = layout {
                self.put(&weight, axis, layout);
            }
        }
        if let (_, Some(layout)) = outputs {
            self.put(&bias, 0, layout);
        }
        self.know(weight);
        self.know(bias);
    }

    /// A table of rows, each of which has this layout.
    pub fn table(&mut self, name: &str, layout: Layout) {
        self.put(name, 1, layout);
    }

    /// The vectors of a norm, one number a unit.
    pub fn norm(&mut self, module: &str, layout: Layout) {
        for name in ["weight", "bias", "running_mean", "running_var"] {
            self.put(&format!("{module}.{name}"), 0, layout);
        }
        self.know(format!("{module}.num_batches_tracked"));
    }

    /// The last matrix, whose outputs have their meaning. A group that nothing reads is the output itself, and stays.
    pub fn head(&mut self, module: &str, inputs: Layout) {
        if !self.has(&format!("{module}.weight")) {
            self.fix(inputs);
        }
        self.linear(module, None, Some(inputs));
    }

    /// The group of this layout stays as it is.
    pub fn fix(&mut self, layout: Layout) {
        self.fixed.insert(layout.group);
    }

    /// The specification, or the name of a tensor that is not as was thought. Where two axes of a tensor are of one group its
    /// similarity is no sum over pairs of units: that group stays.
    pub fn finish(self) -> Result<PermutationSpec, String> {
        let Self { infos, mut spec, known, mut fixed } = self;
        for (name, axes) in &spec.axes {
            let shape = infos.get(name).map_or(&[][..], |info| info.shape.as_slice());
            for &(axis, Layout { group, sections, width, outer }) in axes {
                let Group { units, shared, .. } = spec.groups[group];
                let units = if outer { units / shared } else { units };
                if shape.get(axis) != Some(&(sections * units * width)) {
                    return Err(name.clone());
                }
                if 1 < axes.iter().filter(|(_, other)| other.group == group).count() {
                    fixed.insert(group);
                }
            }
        }
        // Tables that some programs write beside the weights, and that are computed anew.
        let is_computed = |name: &str| name.ends_with("rotary_emb.inv_freq");
        let is_stranger = |name: &String| !known.contains(name) && !is_computed(name);
        let strangers = infos.iter().filter(|(name, info)| is_weight(info.dtype) && is_stranger(name));
        spec.strangers = strangers.map(|(name, _)| name.clone()).collect();
        let used: HashSet<usize> = spec.axes.values().flatten().map(|(_, layout)| layout.group).collect();
        let is_free = |(at, group): (usize, &Group)| {
            let is_read_elsewhere = group.kind == UnitKind::Residual && !spec.strangers.is_empty();
            used.contains(&at) && !fixed.contains(&at) && !is_read_elsewhere
        };
        let free: Vec<bool> = spec.groups.iter().enumerate().map(is_free).collect();
        Ok(spec.kept(&free))
    }
}
