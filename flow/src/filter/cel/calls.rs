//! Calls of functions, operators and macros, checked.

use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};

use super::check::{Checker, Typed};
use super::eval::{Each, Macro, Node};
use super::functions::Function;
use super::types::Ty;
use super::value::{Budget, Value};

impl Checker {
    pub(super) fn call(&mut self, call: &CallExpr) -> Typed {
        let (name, args) = (call.func_name.as_str(), call.args.as_slice());
        match (&call.target, name, args) {
            (None, operators::HAS, [field]) => self.has(field),
            (None, operators::CONDITIONAL, [condition, yes, no]) => self.conditional(condition, yes, no),
            (None, operators::LOGICAL_AND, sides) => self.both(true, sides),
            (None, operators::LOGICAL_OR, sides) => self.both(false, sides),
            (Some(range), _, [variable, rest @ ..]) => match (name, rest) {
                (operators::ALL, [test]) => self.each(Macro::All, range, variable, Some(test), None),
                (operators::EXISTS, [test]) => self.each(Macro::Exists, range, variable, Some(test), None),
                (operators::EXISTS_ONE | "existsOne", [test]) => {
                    self.each(Macro::ExistsOne, range, variable, Some(test), None)
                }
                (operators::FILTER, [test]) => self.each(Macro::Filter, range, variable, Some(test), None),
                (operators::MAP, [result]) => self.each(Macro::Map, range, variable, None, Some(result)),
                (operators::MAP, [test, result]) => self.each(Macro::Map, range, variable, Some(test), Some(result)),
                _ => self.function(name, Some(range), args),
            },
            (target, ..) => self.function(name, target.as_deref(), args),
        }
    }

    fn function(&mut self, name: &str, target: Option<&IdedExpr>, args: &[IdedExpr]) -> Typed {
        let (function, shown) = Function::of(name, target.is_some())?;
        let (mut nodes, mut types) = (Vec::new(), Vec::new());
        for arg in target.into_iter().chain(args) {
            let (node, ty) = self.value(arg)?;
            nodes.push(node);
            types.push(ty);
        }
        let ty = function.result(&types).ok_or_else(|| mismatch(shown, &types))?;
        if function == Function::Matches
            && let Some(Node::Const(Value::Text(pattern))) = nodes.get(1)
        {
            let pattern = super::regex(pattern)?;
            let text = nodes.into_iter().next().ok_or("matches() needs a text")?;
            return Ok((Node::Matches(Box::new(text), pattern), ty));
        }
        // What is known, such as timestamp("…"), is made once, not for each row.
        let known: Option<Vec<_>> =
            nodes.iter().map(|node| if let Node::Const(value) = node { Some(value.clone()) } else { None }).collect();
        let value = known.and_then(|args| function.call(args, &Budget::of_a_row()).ok());
        Ok((value.map_or_else(|| Node::Call(function, nodes), Node::Const), ty))
    }

    /// `a && b`, where `true` is wanted of each, and `a || b`, where `false` is.
    fn both(&mut self, wanted: bool, sides: &[IdedExpr]) -> Typed {
        let sign = if wanted { "&&" } else { "||" };
        let sides = sides.iter().map(|side| self.truth(side, sign)).collect::<Result<_, _>>()?;
        Ok((Node::Both { wanted, sides }, Ty::Bool))
    }

    /// An expression that must be a bool.
    fn truth(&mut self, expr: &IdedExpr, asked_by: &str) -> Result<Node, String> {
        let (node, ty) = self.value(expr)?;
        if ty.fits(&Ty::Bool) { Ok(node) } else { Err(format!("{asked_by} takes bool, not {ty}")) }
    }

    fn conditional(&mut self, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Typed {
        let condition = self.truth(condition, "?:")?;
        let ((yes, one), (no, other)) = (self.value(yes)?, self.value(no)?);
        let ty = one.join(&other).ok_or_else(|| mismatch("?:", &[one, other]))?;
        Ok((Node::If(Box::new([condition, yes, no])), ty))
    }

    fn each(
        &mut self,
        kind: Macro,
        range: &IdedExpr,
        variable: &IdedExpr,
        test: Option<&IdedExpr>,
        result: Option<&IdedExpr>,
    ) -> Typed {
        let Expr::Ident(variable) = &variable.expr else {
            return Err("the first argument of a macro is the name of a variable: list.exists(x, x == 1)".to_owned());
        };
        let (range, ty) = self.value(range)?;
        let item = match &ty {
            Ty::List(item) => (**item).clone(),
            Ty::Map(key, _) => (**key).clone(),
            Ty::Dyn => Ty::Dyn,
            other => return Err(format!("{other} is neither a list nor a map, so there is no item {variable}")),
        };
        self.locals.push((variable.clone(), item));
        let test = test.map(|test| self.truth(test, "a macro")).transpose();
        let result = result.map(|result| self.value(result)).transpose();
        self.locals.pop();
        let (test, result) = (test?, result?);
        let ty = match (kind, &result, ty) {
            (Macro::Map, Some((_, made)), _) => Ty::list(made.clone()),
            (Macro::Filter, _, Ty::Map(key, _)) => Ty::List(key),
            (Macro::Filter, _, of) => of,
            _ => Ty::Bool,
        };
        let result = result.map(|(node, _)| node);
        Ok((Node::Each(Box::new(Each { kind, range, test, result })), ty))
    }
}

fn mismatch(function: &str, types: &[Ty]) -> String {
    let list = types.iter().map(Ty::to_string).collect::<Vec<_>>().join(", ");
    // The first thing to go wrong: fields are unsigned, a plain 80 is not.
    let hint = if types.contains(&Ty::Uint) && types.iter().any(|ty| matches!(ty, Ty::Int | Ty::List(_))) {
        "; whole numbers without a sign are written 80u"
    } else {
        ""
    };
    format!("{function} does not take ({list}){hint}")
}
