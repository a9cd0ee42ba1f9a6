/** The books of the King James Version, in its order: OSIS id, names, how many chapters. */
export interface Book {
  readonly id: string;
  readonly english: string;
  readonly german: string;
  readonly chapters: number;
}

const TABLE = `
Gen Genesis|1. Mose|50
Exod Exodus|2. Mose|40
Lev Leviticus|3. Mose|27
Num Numbers|4. Mose|36
Deut Deuteronomy|5. Mose|34
Josh Joshua|Josua|24
Judg Judges|Richter|21
Ruth Ruth|Rut|4
1Sam 1 Samuel|1. Samuel|31
2Sam 2 Samuel|2. Samuel|24
1Kgs 1 Kings|1. Könige|22
2Kgs 2 Kings|2. Könige|25
1Chr 1 Chronicles|1. Chronik|29
2Chr 2 Chronicles|2. Chronik|36
Ezra Ezra|Esra|10
Neh Nehemiah|Nehemia|13
Esth Esther|Ester|10
Job Job|Hiob|42
Ps Psalms|Psalmen|150
Prov Proverbs|Sprüche|31
Eccl Ecclesiastes|Prediger|12
Song Song of Solomon|Hohelied|8
Isa Isaiah|Jesaja|66
Jer Jeremiah|Jeremia|52
Lam Lamentations|Klagelieder|5
Ezek Ezekiel|Hesekiel|48
Dan Daniel|Daniel|12
Hos Hosea|Hosea|14
Joel Joel|Joel|3
Amos Amos|Amos|9
Obad Obadiah|Obadja|1
Jonah Jonah|Jona|4
Mic Micah|Micha|7
Nah Nahum|Nahum|3
Hab Habakkuk|Habakuk|3
Zeph Zephaniah|Zefanja|3
Hag Haggai|Haggai|2
Zech Zechariah|Sacharja|14
Mal Malachi|Maleachi|4
Matt Matthew|Matthäus|28
Mark Mark|Markus|16
Luke Luke|Lukas|24
John John|Johannes|21
Acts Acts|Apostelgeschichte|28
Rom Romans|Römer|16
1Cor 1 Corinthians|1. Korinther|16
2Cor 2 Corinthians|2. Korinther|13
Gal Galatians|Galater|6
Eph Ephesians|Epheser|6
Phil Philippians|Philipper|4
Col Colossians|Kolosser|4
1Thess 1 Thessalonians|1. Thessalonicher|5
2Thess 2 Thessalonians|2. Thessalonicher|3
1Tim 1 Timothy|1. Timotheus|6
2Tim 2 Timothy|2. Timotheus|4
Titus Titus|Titus|3
Phlm Philemon|Philemon|1
Heb Hebrews|Hebräer|13
Jas James|Jakobus|5
1Pet 1 Peter|1. Petrus|5
2Pet 2 Peter|2. Petrus|3
1John 1 John|1. Johannes|5
2John 2 John|2. Johannes|1
3John 3 John|3. Johannes|1
Jude Jude|Judas|1
Rev Revelation|Offenbarung|22`;

export const BOOKS: readonly Book[] = TABLE.trim()
  .split("\n")
  .map((line) => {
    const space = line.indexOf(" ");
    const [english, german, chapters] = line.slice(space + 1).split("|");
    return { id: line.slice(0, space), english: english!, german: german!, chapters: Number(chapters) };
  });

export const BOOK_OF: ReadonlyMap<string, Book> = new Map(BOOKS.map((book) => [book.id, book]));
export const ORDER_OF: ReadonlyMap<string, number> = new Map(BOOKS.map((book, at) => [book.id, at]));
export const CHAPTERS = BOOKS.reduce((sum, book) => sum + book.chapters, 0);
/** Where the New Testament begins. */
export const NEW_TESTAMENT = 39;
