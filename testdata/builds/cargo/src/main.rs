fn main() {
    let word = regex_lite::Regex::new("^[a-z]+$").unwrap();
    println!("{} {}", itoa::Buffer::new().format(42), word.is_match("cachex"));
}
