use super::*;
use crate::trace::Range;

/// Elements of every tensor of these tests, of one byte each.
const ELEMENTS: usize = 100;

fn tensor(id: u64, shape: &[usize]) -> Tensor {
    Tensor {
        id: TensorId(id),
        shape: shape.to_vec(),
        element: 1,
    }
}

/// Reads tensors, those below zero for the last time.
fn step(action: Action, read: &[i64], made: Tensor) -> Operation {
    let operand = |id: &i64| Operand {
        tensor: TensorId(id.unsigned_abs()),
        consumed: *id < 0,
        contiguous: false,
    };
    Operation {
        name: "step",
        action,
        inputs: read.iter().map(operand).collect(),
        outputs: vec![made],
        part: 0,
    }
}

fn flat(id: u64) -> Tensor {
    tensor(id, &[ELEMENTS])
}

fn kernel(read: &[i64], made: Tensor) -> Operation {
    step(Action::Kernel { workspace: 0 }, read, made)
}

/// Peak of the operations as a forward pass; the last tensor is kept.
#[track_caller]
fn check(operations: Vec<Operation>, peak: u64) {
    let kept = operations.last().map(|last| last.outputs[0].id);
    let trace = Trace {
        held: Vec::new(),
        forward: operations.len(),
        operations,
        kept: kept.into_iter().collect(),
    };
    assert_eq!(simulate(&trace).forward.bytes, peak);
}

#[test]
fn what_nothing_else_needs_is_written_over() {
    for action in [Action::Unary, Action::Scalar, Action::Update] {
        let last = |read: i64| vec![kernel(&[], flat(1)), step(action.clone(), &[read], flat(2))];
        check(last(-1), 100);
        // Another handle of the tensor is somewhere.
        check(last(1), 200);
    }
    let sum = |read: &[i64]| {
        vec![
            kernel(&[], flat(1)),
            kernel(&[], flat(2)),
            step(Action::Binary, read, flat(3)),
        ]
    };
    check(sum(&[-1, -2]), 200);
    check(sum(&[1, -2]), 200);
    check(sum(&[1, 2]), 300);
}

#[test]
fn a_tensor_plus_itself_is_not_written_over() {
    check(
        vec![
            kernel(&[], flat(1)),
            step(Action::Binary, &[1, -1], flat(2)),
        ],
        200,
    );
}

#[test]
fn a_view_takes_nothing_and_keeps_its_storage() {
    let part = View::Slice(vec![Range { start: 10, step: 1 }]);
    let operations = vec![
        kernel(&[], flat(1)),
        step(Action::View(part), &[-1], tensor(2, &[10])),
        kernel(&[], flat(3)),
        kernel(&[-2, -3], flat(4)),
    ];
    check(operations, 300);
}

#[test]
fn a_reshape_copies_what_is_not_row_by_row() {
    let square = |id| tensor(id, &[10, 10]);
    let turned = |reshaped: Tensor| {
        vec![
            kernel(&[], square(1)),
            step(Action::View(View::Permute(vec![1, 0])), &[-1], square(2)),
            step(Action::View(View::Reshape), &[-2], reshaped),
        ]
    };
    check(turned(flat(3)), 200);
    let straight = vec![
        kernel(&[], square(1)),
        step(Action::View(View::Reshape), &[-1], flat(2)),
    ];
    check(straight, 100);
}

#[test]
fn copies_and_workspace_are_there_for_a_while() {
    let mut copying = kernel(&[-2], tensor(3, &[10, 10]));
    copying.inputs[0].contiguous = true;
    copying.action = Action::Kernel { workspace: 7 };
    let operations = vec![
        kernel(&[], tensor(1, &[10, 10])),
        step(
            Action::View(View::Permute(vec![1, 0])),
            &[-1],
            tensor(2, &[10, 10]),
        ),
        copying,
        kernel(&[-3], tensor(4, &[1])),
    ];
    check(operations, 100 + 100 + 7 + 100);
}

#[test]
fn what_was_cut_from_keeps_its_memory() {
    let cut = Action::Cut {
        of: vec![3, 10],
        workspace: 5,
    };
    let operations = |last: Operation| {
        vec![
            kernel(&[], flat(1)),
            step(cut.clone(), &[-1], tensor(2, &[2, 9])),
            last,
        ]
    };
    check(operations(kernel(&[2], tensor(3, &[1]))), 100 + 30 + 5);
    check(operations(kernel(&[-2], flat(3))), 100 + 30 + 5);
    let whole = kernel(&[-2], tensor(3, &[1000]));
    check(operations(whole), 30 + 1000);
    // It is not row by row, so nothing is written over it.
    let over = step(Action::Unary, &[-2], tensor(3, &[2, 9]));
    let mut operations = operations(over);
    operations.push(kernel(&[-3], tensor(4, &[1000])));
    check(operations, 18 + 1000);
}

#[test]
fn what_the_backward_pass_reads_is_there_in_between() {
    let trace = Trace {
        held: vec![flat(9)],
        operations: vec![
            kernel(&[9], flat(1)),
            kernel(&[1], flat(2)),
            kernel(&[-2], flat(3)),
            kernel(&[-3, -1, 9], flat(4)),
        ],
        forward: 3,
        kept: [TensorId(4)].into(),
    };
    let profile = simulate(&trace);
    assert_eq!(profile.held, 100);
    assert_eq!((profile.forward.bytes, profile.forward.operation), (400, 2));
    assert_eq!(profile.between, HashMap::from([(0, 200)]));
    assert_eq!(
        (profile.backward.bytes, profile.backward.operation),
        (400, 3)
    );
    assert_eq!(profile.left, 100);
}
