use serde::{Deserialize, Serialize};

use super::question::{Question, Reply, Side, Wanted};
use super::scene::{Colour, Shape};

/// Language of the questions and answers of [`Shapes`](super::Shapes).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Language {
    fn of<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self {
            Self::En => english,
            Self::Zh => chinese,
        }
    }

    pub(super) fn colour(self, colour: Colour) -> &'static str {
        match colour {
            Colour::Red => self.of("red", "红色"),
            Colour::Green => self.of("green", "绿色"),
            Colour::Blue => self.of("blue", "蓝色"),
            Colour::Yellow => self.of("yellow", "黄色"),
            Colour::Purple => self.of("purple", "紫色"),
            Colour::Black => self.of("black", "黑色"),
        }
    }

    pub(super) fn shape(self, shape: Shape) -> &'static str {
        match shape {
            Shape::Circle => self.of("circle", "圆形"),
            Shape::Square => self.of("square", "正方形"),
            Shape::Triangle => self.of("triangle", "三角形"),
        }
    }

    fn object(self) -> &'static str {
        self.of("object", "物体")
    }

    fn side(self, side: Side) -> &'static str {
        match side {
            Side::Leftmost => self.of("leftmost", "最左边"),
            Side::Rightmost => self.of("rightmost", "最右边"),
            Side::Topmost => self.of("topmost", "最上面"),
            Side::Lowest => self.of("lowest", "最下面"),
        }
    }

    /// The words for a thing: its colour, if it is told, and what it is.
    fn thing(self, wanted: Wanted) -> Vec<&'static str> {
        let colour = wanted.colour.map(|colour| self.colour(colour));
        let what = wanted
            .shape
            .map_or(self.object(), |shape| self.shape(shape));
        colour.into_iter().chain([what]).collect()
    }

    /// A question as it is asked. In Chinese none has more than 8 characters without its mark, so that it fits where
    /// its English twin does.
    pub(super) fn question(self, question: Question) -> String {
        match self {
            Self::En => english(question),
            Self::Zh => chinese(question),
        }
    }

    pub(super) fn reply(self, reply: Reply) -> String {
        match reply {
            Reply::Colour(colour) => self.colour(colour).to_owned(),
            Reply::Shape(shape) => self.shape(shape).to_owned(),
            Reply::Count(count) => count.to_string(),
            Reply::YesNo(true) => self.of("yes", "是").to_owned(),
            Reply::YesNo(false) => self.of("no", "不是").to_owned(),
        }
    }

    /// The colours and things that a question is about, as it names them.
    pub(super) fn entities(self, question: Question) -> Vec<String> {
        let mut names = match question {
            Question::ColourOf(shape) => vec![self.shape(shape)],
            Question::ShapeOf(colour) => vec![self.colour(colour), self.object()],
            Question::Count(wanted) | Question::Exists(wanted) => self.thing(wanted),
            Question::OutermostColour(_) | Question::OutermostShape(_) => vec![self.object()],
            Question::OutermostHasColour(_, colour) => vec![self.object(), self.colour(colour)],
            Question::OutermostHasShape(_, shape) => vec![self.object(), self.shape(shape)],
        };
        let last = names.pop().unwrap_or_default();
        let plural = matches!((self, question), (Self::En, Question::Count(_)));
        let last = format!("{last}{}", if plural { "s" } else { "" });
        let names = names.into_iter().map(str::to_owned);
        names.chain([last]).collect()
    }
}

fn english(question: Question) -> String {
    let language = Language::En;
    match question {
        Question::ColourOf(shape) => format!("what color is the {}?", language.shape(shape)),
        Question::ShapeOf(colour) => {
            format!("what shape is the {} object?", language.colour(colour))
        }
        Question::Count(wanted) => {
            format!("how many {}s are there?", language.thing(wanted).join(" "))
        }
        Question::OutermostColour(side) => {
            format!("what color is the {} object?", language.side(side))
        }
        Question::OutermostShape(side) => {
            format!("what shape is the {} object?", language.side(side))
        }
        Question::OutermostHasColour(side, colour) => {
            let colour = language.colour(colour);
            format!("is the {} object {colour}?", language.side(side))
        }
        Question::OutermostHasShape(side, shape) => {
            let shape = language.shape(shape);
            format!("is the {} object a {shape}?", language.side(side))
        }
        Question::Exists(wanted) => format!("is there a {}?", language.thing(wanted).join(" ")),
    }
}

fn chinese(question: Question) -> String {
    let language = Language::Zh;
    match question {
        Question::ColourOf(shape) => format!("{}是什么颜色？", language.shape(shape)),
        Question::ShapeOf(colour) => format!("{}的是什么形状？", language.colour(colour)),
        Question::Count(wanted) => format!("有几个{}？", language.thing(wanted).concat()),
        Question::OutermostColour(side) => format!("{}是什么颜色？", language.side(side)),
        Question::OutermostShape(side) => format!("{}是什么形状？", language.side(side)),
        Question::OutermostHasColour(side, colour) => {
            format!("{}是{}吗？", language.side(side), language.colour(colour))
        }
        Question::OutermostHasShape(side, shape) => {
            format!("{}是{}吗？", language.side(side), language.shape(shape))
        }
        Question::Exists(wanted) => format!("有{}吗？", language.thing(wanted).concat()),
    }
}
