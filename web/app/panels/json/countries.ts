/**
 * Forty countries, to have something to look at: name, capital, continent, millions of people (2023), thousands of square
 * kilometres, languages, money and its code, the side of the road. Rounded; from common knowledge.
 */
const COUNTRIES = `Austria|Vienna|Europe|9.1|83.9|German|euro|EUR|right
Germany|Berlin|Europe|84.5|357.6|German|euro|EUR|right
Switzerland|Bern|Europe|8.8|41.3|German, French, Italian|franc|CHF|right
France|Paris|Europe|68.2|551.5|French|euro|EUR|right
Belgium|Brussels|Europe|11.8|30.7|Dutch, French, German|euro|EUR|right
Netherlands|Amsterdam|Europe|17.9|41.5|Dutch|euro|EUR|right
Luxembourg|Luxembourg|Europe|0.7|2.6|Luxembourgish, French, German|euro|EUR|right
Italy|Rome|Europe|58.9|302.1|Italian|euro|EUR|right
Spain|Madrid|Europe|48.3|506.0|Spanish|euro|EUR|right
Portugal|Lisbon|Europe|10.5|92.2|Portuguese|euro|EUR|right
Ireland|Dublin|Europe|5.3|70.3|English, Irish|euro|EUR|left
United Kingdom|London|Europe|68.3|244.4|English|pound|GBP|left
Malta|Valletta|Europe|0.5|0.3|Maltese, English|euro|EUR|left
Norway|Oslo|Europe|5.5|385.2|Norwegian|krone|NOK|right
Sweden|Stockholm|Europe|10.5|450.3|Swedish|krona|SEK|right
Denmark|Copenhagen|Europe|5.9|42.9|Danish|krone|DKK|right
Finland|Helsinki|Europe|5.6|338.5|Finnish, Swedish|euro|EUR|right
Iceland|Reykjavík|Europe|0.4|103.0|Icelandic|króna|ISK|right
Poland|Warsaw|Europe|36.7|312.7|Polish|złoty|PLN|right
Czechia|Prague|Europe|10.9|78.9|Czech|koruna|CZK|right
Morocco|Rabat|Africa|37.8|446.6|Arabic, Berber|dirham|MAD|right
Egypt|Cairo|Africa|112.7|1002.0|Arabic|pound|EGP|right
Senegal|Dakar|Africa|17.8|196.7|French|franc|XOF|right
Mali|Bamako|Africa|23.3|1240.2|French|franc|XOF|right
Chad|N’Djamena|Africa|18.3|1284.0|French, Arabic|franc|XAF|right
Kenya|Nairobi|Africa|55.1|580.4|Swahili, English|shilling|KES|left
Tanzania|Dodoma|Africa|67.4|945.1|Swahili, English|shilling|TZS|left
Botswana|Gaborone|Africa|2.7|581.7|English, Tswana|pula|BWP|left
India|New Delhi|Asia|1428.6|3287.3|Hindi, English|rupee|INR|left
Pakistan|Islamabad|Asia|240.5|881.9|Urdu, English|rupee|PKR|left
Nepal|Kathmandu|Asia|30.9|147.5|Nepali|rupee|NPR|left
Japan|Tokyo|Asia|124.5|378.0|Japanese|yen|JPY|left
South Korea|Seoul|Asia|51.7|100.4|Korean|won|KRW|right
Singapore|Singapore|Asia|5.9|0.7|English, Malay, Mandarin, Tamil|dollar|SGD|left
Canada|Ottawa|North America|40.1|9984.7|English, French|dollar|CAD|right
United States|Washington|North America|334.9|9833.5|English|dollar|USD|right
Mexico|Mexico City|North America|128.5|1964.4|Spanish|peso|MXN|right
Chile|Santiago|South America|19.6|756.1|Spanish|peso|CLP|right
Brazil|Brasília|South America|216.4|8515.8|Portuguese|real|BRL|right
New Zealand|Wellington|Oceania|5.2|268.0|English, Māori|dollar|NZD|left`;

/** A line of JSON for each. */
export const countries = COUNTRIES.split("\n")
  .map((line) => {
    const [country, capital, continent, people, area, languages = "", name, code, drives] = line.split("|");
    return JSON.stringify({
      country,
      capital,
      continent,
      people: Number(people),
      area: Number(area),
      languages: languages.split(", "),
      money: { name, code },
      drives,
    });
  })
  .join("\n");
