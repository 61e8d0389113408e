//! The spanning tree of a basis: flows, potentials, and the exchange of one arc for another.
//!
//! Nodes are the rows, then the columns. Every node but the root hangs from its parent by an arc, which leads from a row
//! to a column whichever of the two is the parent. The tree is strongly feasible: an arc without flow leads towards the
//! root, so that every node could send a little there. The exchange keeps it so, and no basis comes twice.

/// No node.
const NONE: u32 = u32::MAX;

/// An arc with its flow: row, column, mass.
pub(crate) type Arc = (usize, usize, f64);

/// A basis of the transport problem.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    rows: usize,
    root: u32,
    parent: Vec<u32>,
    /// First child, and the doubly linked list of its siblings.
    child: Vec<u32>,
    next: Vec<u32>,
    previous: Vec<u32>,
    depth: Vec<u32>,
    /// Mass on the arc to the parent.
    flow: Vec<f64>,
    /// f of the rows, g of the columns; f_i + g_j = C_ij on every arc.
    potential: Vec<f64>,
    /// Nodes yet to be visited; kept for its memory.
    pending: Vec<u32>,
}

impl Tree {
    /// The tree of rows + columns − 1 arcs, hung up at column `root`, where arcs without flow lead towards it.
    pub fn new(rows: usize, columns: usize, root: usize, arcs: &[Arc]) -> Self {
        let nodes = rows + columns;
        let mut tree = Self {
            rows,
            root: (rows + root) as u32,
            parent: vec![NONE; nodes],
            child: vec![NONE; nodes],
            next: vec![NONE; nodes],
            previous: vec![NONE; nodes],
            depth: vec![0; nodes],
            flow: vec![0.0; nodes],
            potential: vec![0.0; nodes],
            pending: Vec::new(),
        };
        let mut starts = vec![0; nodes + 1];
        for &(row, column, _) in arcs {
            starts[row + 1] += 1;
            starts[rows + column + 1] += 1;
        }
        (0..nodes).for_each(|node| starts[node + 1] += starts[node]);
        let (mut ends, mut neighbours) = (starts.clone(), vec![(NONE, 0.0); 2 * arcs.len()]);
        for &(row, column, mass) in arcs {
            for (from, to) in [(row, rows + column), (rows + column, row)] {
                neighbours[ends[from]] = (to as u32, mass);
                ends[from] += 1;
            }
        }
        let mut pending = vec![tree.root];
        while let Some(node) = pending.pop() {
            for &(other, mass) in &neighbours[starts[node as usize]..starts[node as usize + 1]] {
                if other != tree.parent[node as usize] {
                    tree.flow[other as usize] = mass;
                    tree.depth[other as usize] = tree.depth[node as usize] + 1;
                    tree.hang(other, node);
                    pending.push(other);
                }
            }
        }
        tree
    }

    /// f; [rows].
    pub fn source(&self) -> &[f64] {
        &self.potential[..self.rows]
    }

    /// g; [columns].
    pub fn target(&self) -> &[f64] {
        &self.potential[self.rows..]
    }

    /// Every arc with its flow.
    pub fn arcs(&self) -> impl Iterator<Item = Arc> {
        (0..self.parent.len() as u32).filter(|&node| node != self.root).map(|node| {
            let (row, column) = self.ends(node);
            (row, column, self.flow[node as usize])
        })
    }

    /// Potentials anew from the costs of the arcs, without what rounding has added; that of the root is 0.
    pub fn price(&mut self, cost: impl Fn(usize, usize) -> f64) {
        self.potential[self.root as usize] = 0.0;
        self.below(self.root, |tree, node| {
            if node != tree.root {
                let (row, column) = tree.ends(node);
                let parent = tree.potential[tree.parent[node as usize] as usize];
                tree.potential[node as usize] = cost(row, column) - parent;
            }
        });
    }

    /// Flows anew from the masses.
    pub fn balance(&mut self, source: &[f64], target: &[f64]) {
        let mut order = Vec::with_capacity(self.parent.len());
        self.below(self.root, |_, node| order.push(node));
        let mut surplus: Vec<f64> = source.iter().copied().chain(target.iter().map(|mass| -mass)).collect();
        for &node in order.iter().skip(1).rev() {
            let mass = surplus[node as usize];
            let outward = if (node as usize) < self.rows { mass } else { -mass };
            self.flow[node as usize] = outward.max(0.0);
            surplus[self.parent[node as usize] as usize] += mass;
        }
    }

    /// Takes the arc from `row` to `column` into the tree; `reduced`, below 0, is its cost less the potentials.
    pub fn exchange(&mut self, row: usize, column: usize, reduced: f64) {
        let (up, down) = (row as u32, (self.rows + column) as u32);
        let join = self.join(up, down);
        let (leaving, mass) = self.blocking(up, down, join);
        let below_row = self.is_below(leaving, up, join);
        self.push(up, down, join, mass);
        let (end, parent) = if below_row { (up, down) } else { (down, up) };
        self.rehang(leaving, end, parent, mass);
        let row_shift = if below_row { reduced } else { -reduced };
        self.below(end, |tree, node| {
            let index = node as usize;
            tree.depth[index] = tree.depth[tree.parent[index] as usize] + 1;
            tree.potential[index] += if index < tree.rows { row_shift } else { -row_shift };
        });
    }

    /// Row and column of the arc to the parent.
    fn ends(&self, node: u32) -> (usize, usize) {
        let (node, parent) = (node as usize, self.parent[node as usize] as usize);
        if node < self.rows { (node, parent - self.rows) } else { (parent, node - self.rows) }
    }

    /// The lowest node above both.
    fn join(&self, mut left: u32, mut right: u32) -> u32 {
        while left != right {
            if self.depth[left as usize] < self.depth[right as usize] {
                right = self.parent[right as usize];
            } else {
                left = self.parent[left as usize];
            }
        }
        left
    }

    /// The node whose arc upwards runs empty first as mass goes round the cycle, and how much can go: of several the
    /// last one on the way from the join over the new arc back to it, which keeps the tree strongly feasible.
    fn blocking(&self, up: u32, down: u32, join: u32) -> (u32, f64) {
        let (mut leaving, mut mass) = (NONE, f64::INFINITY);
        let mut node = up;
        while node != join {
            if (node as usize) < self.rows && self.flow[node as usize] < mass {
                (leaving, mass) = (node, self.flow[node as usize]);
            }
            node = self.parent[node as usize];
        }
        node = down;
        while node != join {
            if (node as usize) >= self.rows && self.flow[node as usize] <= mass {
                (leaving, mass) = (node, self.flow[node as usize]);
            }
            node = self.parent[node as usize];
        }
        (leaving, mass)
    }

    /// Whether `wanted` is on the way from `node` up to `join`.
    fn is_below(&self, wanted: u32, mut node: u32, join: u32) -> bool {
        while node != join {
            if node == wanted {
                return true;
            }
            node = self.parent[node as usize];
        }
        false
    }

    /// Sends mass round the cycle, apart from the new arc.
    fn push(&mut self, up: u32, down: u32, join: u32, mass: f64) {
        for (start, sign) in [(up, -1.0), (down, 1.0)] {
            let mut node = start;
            while node != join {
                let along = if (node as usize) < self.rows { sign } else { -sign };
                self.flow[node as usize] += along * mass;
                node = self.parent[node as usize];
            }
        }
    }

    /// Cuts `top` off its parent and hangs what was below it from `parent` by `end`, turning round the way between.
    fn rehang(&mut self, top: u32, end: u32, parent: u32, mass: f64) {
        let (mut node, mut above, mut carried) = (end, parent, mass);
        loop {
            let old = self.parent[node as usize];
            self.unhang(node);
            self.hang(node, above);
            std::mem::swap(&mut self.flow[node as usize], &mut carried);
            if node == top {
                return;
            }
            (above, node) = (node, old);
        }
    }

    fn hang(&mut self, node: u32, parent: u32) {
        let first = std::mem::replace(&mut self.child[parent as usize], node);
        self.parent[node as usize] = parent;
        self.previous[node as usize] = NONE;
        self.next[node as usize] = first;
        if first != NONE {
            self.previous[first as usize] = node;
        }
    }

    fn unhang(&mut self, node: u32) {
        let (previous, next) = (self.previous[node as usize], self.next[node as usize]);
        if previous == NONE {
            self.child[self.parent[node as usize] as usize] = next;
        } else {
            self.next[previous as usize] = next;
        }
        if next != NONE {
            self.previous[next as usize] = previous;
        }
    }

    /// Visits a node and all below it, parents before children.
    fn below(&mut self, top: u32, mut visit: impl FnMut(&mut Self, u32)) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.push(top);
        while let Some(node) = pending.pop() {
            visit(self, node);
            let mut child = self.child[node as usize];
            while child != NONE {
                pending.push(child);
                child = self.next[child as usize];
            }
        }
        self.pending = pending;
    }
}
